"""Engines in processes of their own, and the gateway's view of them."""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from trueodds_service.app import start_engine
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import ModelSettings
from trueodds_service.engine.base import Engine, EngineDied, EngineInfo, TokenPrompt, TokenScore
from trueodds_service.errors import PromptFault, Unavailable
from trueodds_service.serving.connection import Connection, Listener
from trueodds_service.serving.routing import Router

_log = logging.getLogger(__name__)

# A request whose engine died is sent again, to the process that takes its place.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
# So long a request waits for it: half of the time that clients give an answer.
_PATIENCE_SECONDS = 60.0

# The gateway's own grace, and some: it leaves when its requests have ended.
_GRACE_SECONDS = 10.0

# About a step of the engine.
_WARM_UP_PROMPTS, _WARM_UP_TOKENS = 64, 64

# Why a process may not tell its socket, or not be there.
_ABSENT = (RayError, RayServeException, OSError)


class EngineReplica:
    """A Serve deployment: the engine of one model and of its adapters, folders by name.

    It answers at a socket in ``sockets``; through Serve it only tells which.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, model: ModelSettings, adapters: Mapping[str, Path], sockets: Path
    ) -> None:
        self._engine = start_engine(model, adapters)
        for adapter in (None, *adapters):
            await warm_up(self._engine, adapter)
        self._listener = Listener(self._engine.info, self._score)
        self._path = str(sockets / uuid.uuid4().hex[:8])
        await self._listener.listen(self._path)
        # What is here now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    async def path(self) -> str:
        return self._path

    async def __del__(self) -> None:
        if listener := getattr(self, "_listener", None):
            await listener.close(_GRACE_SECONDS)
        if engine := getattr(self, "_engine", None):
            engine.close()

    async def _score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None
    ) -> list[TokenScore | PromptFault]:
        try:
            return await self._engine.score(prompts, adapter)
        except EngineDied:
            # Serve replaces a process that is gone at once, and one that is only sick at the
            # next health check.
            _log.error("the engine died; its process ends")
            os._exit(1)


async def warm_up(engine: Engine, adapter: str | None) -> None:
    """Scores once in every way, many prompts at once: what an engine compiles or loads when it
    is first asked, it has when it is first asked by somebody.
    """
    room = engine.info.max_tokens
    labels = ((1,), (2,))
    texts = ((1, 2, 3), (2, 3, 4, 5))
    prompts = [
        TokenPrompt((number,) * min(_WARM_UP_TOKENS, room - 8), labels, (3,))
        for number in range(1, _WARM_UP_PROMPTS)
    ]
    await engine.score(prompts, adapter)
    for prompt in prompts[:2]:
        await engine.score([prompt], adapter)
        await engine.score([TokenPrompt(prompt.prompt, labels)], adapter)
        await engine.score([TokenPrompt(prompt.prompt, texts, top_tokens=3)], adapter)


class RemoteEngine:
    """An engine's process, and whichever takes its place. ``handle`` is its deployment's.

    With ``is_adapter`` the model is an adapter, by its own name, in that engine.
    """

    def __init__(self, name: str, handle: Any, *, is_adapter: bool) -> None:
        self._name = name
        self._adapter = name if is_adapter else None
        self._handle = handle
        self._connect()

    @property
    def is_lost(self) -> bool:
        """Whether its process is gone, or does not answer yet."""
        return not self._connecting.done()

    async def connected(self) -> EngineInfo:
        """Waits until the process answers."""
        return (await asyncio.shield(self._connecting)).info

    async def wait_lost(self) -> None:
        """Waits until the process is gone."""
        if not self.is_lost:
            await self._connecting.result().wait_lost()

    async def score(self, prompts: Sequence[TokenPrompt]) -> list[TokenScore | PromptFault]:
        """Raises Unavailable when process after process is lost with the request, or none comes."""
        with contextlib.suppress(TimeoutError):
            for _ in range(_ATTEMPTS):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    connection = await asyncio.shield(self._connecting)
                with contextlib.suppress(ConnectionError):
                    return await connection.score(prompts, self._adapter)
        raise Unavailable(
            f"the engine of models/{self._name} was lost", reason="ENGINE_LOST", retry_seconds=5.0
        )

    def close(self) -> None:
        """Serve stops the process; nobody asks it any more."""
        if self.is_lost:
            self._connecting.cancel()
        else:
            self._connecting.result().close()

    def _connect(self) -> None:
        self._connecting = asyncio.create_task(self._connection())

    async def _connection(self) -> Connection:
        while True:
            try:
                return await Connection.open(await self._handle.path.remote(), self._connect)
            except Exception as error:
                if not isinstance(error, _ABSENT):
                    _log.error("the engine of %s: %s", self._name, type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)


class RemoteEngines:
    """The processes of one engine as one; prompts that begin alike go to the same."""

    def __init__(self, engines: Sequence[RemoteEngine]) -> None:
        self._engines = engines
        self._router = Router(len(engines))
        self.info = EngineInfo(name="", version="", dtype="", max_tokens=0)

    async def connected(self) -> None:
        """Waits until every process answers."""
        self.info = (await gather_or_cancel(engine.connected() for engine in self._engines))[0]

    async def wait_lost(self) -> None:
        """Waits until none of the processes answers."""
        while answering := [engine for engine in self._engines if not engine.is_lost]:
            for engine in answering:
                await engine.wait_lost()

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[TokenScore | PromptFault]:
        """Of the model that it was made for, whatever ``adapter`` says.

        Raises Unavailable when process after process is lost with the request.
        """
        lost = {place for place, engine in enumerate(self._engines) if engine.is_lost}
        if len(lost) == len(self._engines):
            lost = set()
        shares = self._router.assign(prompts, without=lost)
        try:
            scores = await gather_or_cancel(
                self._engines[process].score([prompts[place] for place in places])
                for process, places in shares.items()
            )
        finally:
            for process, places in shares.items():
                self._router.done(process, len(places))
        order = itertools.chain(*shares.values())
        by_place = dict(zip(order, itertools.chain(*scores), strict=True))
        return [by_place[place] for place in range(len(prompts))]

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
