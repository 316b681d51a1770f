"""The calls that are under way in an engine's process."""

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from trueodds_service.engine.base import Score
from trueodds_service.engine.link import messages
from trueodds_service.engine.link.turns import Turns
from trueodds_service.errors import Exhausted, Expired, class_and_place
from trueodds_service.watching import Watcher, watched_by

_log = logging.getLogger(__name__)

Send = Callable[[bytes, messages.FromEngine], None]


@dataclass(slots=True)
class _Call:
    asked: messages.Ask
    task: "asyncio.Task[None]"
    # For a call that is to be alone: done once its caller knows that it begins.
    go: "asyncio.Future[None] | None" = None


class Calls:
    """Calls ``score`` for whoever asks, each call in a task of its own.

    ``send`` tells a caller, by its name; ``on_free`` is called when a call that had the engine to
    itself has ended.
    """

    def __init__(self, score: Score, send: Send, on_free: Callable[[], None]) -> None:
        self._score = score
        self._send = send
        self._on_free = on_free
        self._turns = Turns()
        self._calls: dict[tuple[bytes, int], _Call] = {}
        self.prompts = 0
        """How many are under way: a number, which metrics read in another thread."""

    def ask(self, caller: bytes, asked: messages.Ask) -> None:
        """Lets a call in, or tells the caller that it is to be made elsewhere."""
        if not self._turns.take(alone=asked.alone):
            self._send(caller, messages.Busy(asked.number))
            return
        key = caller, asked.number
        if asked.alone:
            go = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._answer_alone(caller, asked, go))
            self._calls[key] = _Call(asked, task, go)
        else:
            self._calls[key] = _Call(asked, asyncio.create_task(self._answer(caller, asked)))
        self.prompts += asked.prompts
        self._calls[key].task.add_done_callback(functools.partial(self._ended, key))

    def go(self, caller: bytes, number: int) -> None:
        """The caller knows that its call, which is to be alone, begins."""
        call = self._calls.get((caller, number))
        if call is not None and call.go is not None and not call.go.done():
            call.go.set_result(None)

    def cancel(self, caller: bytes, number: int) -> None:
        """Nobody waits for this call any more."""
        if call := self._calls.get((caller, number)):
            call.task.cancel()

    def forget(self, caller: bytes) -> None:
        """The caller is gone, and with it everybody who waits for its calls."""
        for of, number in self._calls:
            if of == caller:
                self.cancel(caller, number)

    def send_away(self) -> None:
        """All are to be made elsewhere: the engine lives, and ends."""
        for caller, number in self._calls:
            self._send(caller, messages.Busy(number))
            self.cancel(caller, number)

    def _ended(self, key: tuple[bytes, int], _: "asyncio.Task[None]") -> None:
        call = self._calls.pop(key)
        self.prompts -= call.asked.prompts
        self._turns.leave(alone=call.asked.alone)
        if call.asked.alone:
            self._on_free()

    async def _answer_alone(
        self, caller: bytes, asked: messages.Ask, go: "asyncio.Future[None]"
    ) -> None:
        await self._turns.emptied()
        self._send(caller, messages.Started(asked.number))
        await go
        await self._answer(caller, asked)

    async def _answer(self, caller: bytes, asked: messages.Ask) -> None:
        with watched_by(Watcher(asked.request, asked.traceparent)):
            await self._answer_watched(caller, asked)

    async def _answer_watched(self, caller: bytes, asked: messages.Ask) -> None:
        try:
            with messages.as_asked(asked):
                outcomes = await self._score(messages.prompts_of(asked), asked.adapter)
            self._send(caller, messages.answer(asked.number, outcomes))
        except (Exhausted, Expired) as error:
            self._send(caller, messages.refused(asked.number, error))
        except Exception as error:
            # Only the class and the place: a foreign message can hold a prompt.
            _log.error("the engine failed at a request: %s", class_and_place(error))
            self._send(caller, messages.Failed(asked.number, type(error).__name__))
