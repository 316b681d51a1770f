"""Engines in processes of their own, and the gateway's view of them."""

import asyncio
import functools
import gc
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.exceptions import RayActorError
from ray.serve.exceptions import DeploymentUnavailableError, ReplicaUnavailableError

from trueodds_service.app import start_engine
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import ModelSettings
from trueodds_service.engine.base import Engine, EngineDied, EngineInfo, TokenPrompt, TokenScore
from trueodds_service.errors import Unavailable
from trueodds_service.serving.coalescing import Coalescing
from trueodds_service.serving.routing import Router

_log = logging.getLogger(__name__)

# A request whose engine died is sent again, to the replica that takes its place.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5

# About a step of the engine.
_WARM_UP_PROMPTS, _WARM_UP_TOKENS = 64, 64

_LOST = (RayActorError, ReplicaUnavailableError, DeploymentUnavailableError)


class EngineReplica:
    """A Serve deployment: the engine of one model and of its adapters, folders by name."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, model: ModelSettings, adapters: Mapping[str, Path]
    ) -> None:
        self._engine = start_engine(model, adapters)
        for adapter in (None, *adapters):
            await warm_up(self._engine, adapter)
        # What is here now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    async def info(self) -> EngineInfo:
        return self._engine.info

    async def score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[TokenScore]:
        try:
            return await self._engine.score(prompts, adapter)
        except EngineDied:
            # Serve replaces a process that is gone at once, and one that is only sick at the
            # next health check.
            _log.error("the engine died; its process ends")
            os._exit(1)
        except Exception as error:
            # Only the class: a foreign message can hold a prompt, and this one is logged by Ray.
            raise EngineFault(type(error).__name__) from None

    def __del__(self) -> None:
        if engine := getattr(self, "_engine", None):
            engine.close()


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


class EngineFault(Exception):
    """The engine failed at one request and lives on. The message is the error's class."""


class RemoteEngine:
    """An engine process behind a DeploymentHandle. One call a batch, never one a prompt.

    With ``is_adapter`` the model is an adapter, by its own name, in that engine.
    """

    def __init__(self, name: str, handle: Any, *, is_adapter: bool) -> None:
        self._name = name
        self._adapter = name if is_adapter else None
        self._handle = handle
        self._returning: asyncio.Task[EngineInfo] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether its process is gone, and its replacement does not answer yet."""
        return self._returning is not None and not self._returning.done()

    async def connect(self) -> EngineInfo:
        """Waits until the process answers."""
        while True:
            try:
                return await self._handle.info.remote()  # type: ignore[no-any-return]
            except _LOST:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def score(
        self, prompts: Sequence[TokenPrompt], on_lost: Callable[[], Awaitable[None]]
    ) -> list[TokenScore]:
        """Raises Unavailable when process after process is lost with the request."""
        for _ in range(_ATTEMPTS):
            call = self._handle.score.remote(prompts, self._adapter)
            try:
                return await call  # type: ignore[no-any-return]
            except asyncio.CancelledError:
                # The caller is gone; so are its prompts, also in the replica.
                call.cancel()
                raise
            except _LOST:
                if self._returning is None or self._returning.done():
                    self._returning = asyncio.create_task(self.connect())
                await on_lost()
                await asyncio.shield(self._returning)
        raise Unavailable(
            f"the engine of models/{self._name} was lost", reason="ENGINE_LOST", retry_seconds=5.0
        )

    def close(self) -> None:
        """Serve stops the process; nobody waits for it any more."""
        if self._returning is not None:
            self._returning.cancel()


class RemoteEngines:
    """The processes of one engine as one; prompts that begin alike go to the same.

    ``on_lost`` is called when none of them answers any more.
    """

    def __init__(
        self, engines: Sequence[RemoteEngine], on_lost: Callable[[], Awaitable[None]]
    ) -> None:
        self._engines = engines
        self._router = Router(len(engines))
        self._calls = [
            Coalescing(functools.partial(engine.score, on_lost=self._one_lost))
            for engine in engines
        ]
        self._on_lost = on_lost
        self.info = EngineInfo(name="", version="", dtype="", max_tokens=0)

    async def connect(self) -> None:
        """Waits until every process answers."""
        self.info = (await gather_or_cancel(engine.connect() for engine in self._engines))[0]

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[TokenScore]:
        """Of the model that it was made for, whatever ``adapter`` says.

        Raises Unavailable when process after process is lost with the request.
        """
        lost = {place for place, engine in enumerate(self._engines) if engine.is_lost}
        if len(lost) == len(self._engines):
            lost = set()
        shares = self._router.assign(prompts, without=lost)
        try:
            scores = await gather_or_cancel(
                self._calls[process].score([prompts[place] for place in places])
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

    async def _one_lost(self) -> None:
        if all(engine.is_lost for engine in self._engines):
            await self._on_lost()
