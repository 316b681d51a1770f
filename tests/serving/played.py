"""Replicas as the tests play them: sockets of this process, which are killed and replaced."""

import asyncio
import itertools
from types import SimpleNamespace

from trueodds_service.engine.base import EngineInfo
from trueodds_service.engine.link.listener import Listener
from trueodds_service.serving.directory import Announcement

_numbers = itertools.count(1)


async def until(condition):
    """Waits for it, however slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)


class Handle:
    """Serve's handle of an object of this process."""

    def __init__(self, target):
        self._target = target

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self._target, name))


class Played:
    """A replica, and whichever takes its place: each has an id and a socket of its own.

    ``score`` answers; ``announcement`` is what the living one says of itself.
    """

    def __init__(self, folder, score, model="model", info=None, revisions=None):
        self._folder = folder
        self._score = score
        self._model = model
        self._revisions = revisions or {}
        self._info = info or EngineInfo("played", "1", "float32", 2048, 32000)
        self.listener = None
        self.announcement = None

    def start(self):
        number = next(_numbers)
        self.listener = Listener(self._info, self._score)
        endpoint = self.listener.listen(f"ipc://{self._folder}/{number}")
        self.announcement = Announcement(
            self._model, number, float(number), "here", endpoint, revisions=self._revisions
        )
        return self.announcement

    async def kill(self):
        """Ends as a process does that is killed: no word to anybody."""
        if self.listener is not None:
            listener, self.listener = self.listener, None
            await ended(listener)


async def ended(listener):
    listener._tell_all = lambda message: None
    listener.drop()
