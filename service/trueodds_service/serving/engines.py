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
from typing import Any, NoReturn

import psutil
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from trueodds_service.app import start_engine
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import ModelSettings
from trueodds_service.engine.base import (
    Engine,
    EngineDied,
    EngineInfo,
    Outcome,
    TokenPrompt,
)
from trueodds_service.engine.link.connection import Connection, EngineFault, Listener, NotSent
from trueodds_service.errors import PromptFault, Unavailable, class_and_place
from trueodds_service.serving.pauses import pause_before_start
from trueodds_service.serving.routing import Router
from trueodds_service.serving.suspects import Killers, Suspects, killed

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
# A request waits so long for a process that is gone: half of the time that clients give an answer.
_PATIENCE_SECONDS = 60.0
# And so long, once its engine has died with it, until it is clear which prompt it died of.
_TRIAL_SECONDS = 600.0

# How often an engine is asked whether it ends its steps, and how long it may take to say so.
_CHECK_SECONDS = 5.0

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
        await asyncio.sleep(pause_before_start(sockets / f"{model.name}.starts"))
        self._engine = start_engine(model, adapters)
        for adapter in (None, *adapters):
            await warm_up(self._engine, adapter)
        self._listener = Listener(self._engine.info, self._score)
        self._path = str(sockets / uuid.uuid4().hex[:8])
        await self._listener.listen(self._path)
        self._watching = asyncio.create_task(self._watch(model.engine.hang_seconds))
        # What is here now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    async def path(self) -> str:
        return self._path

    async def __del__(self) -> None:
        if watching := getattr(self, "_watching", None):
            watching.cancel()
        if listener := getattr(self, "_listener", None):
            await listener.close(_GRACE_SECONDS)
        if engine := getattr(self, "_engine", None):
            engine.close()

    async def _score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        try:
            return await self._engine.score(prompts, adapter)
        except EngineDied as error:
            _end(f"died ({class_and_place(error.__cause__ or error)})")

    async def _watch(self, hang_seconds: float) -> None:
        """Ends an engine whose process lives and whose step does not end."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                async with asyncio.timeout(hang_seconds):
                    await self._engine.check()
            except TimeoutError:
                _end(f"hangs: no step has ended for {hang_seconds:g} seconds")
            except Exception as error:
                _end(f"died ({class_and_place(error)})")


def _end(why: str) -> NoReturn:
    """Ends this process and those of its engine.

    Serve replaces a process that is gone at once, and one that is only sick at the next check.
    """
    _log.error("the engine %s; its process ends", why)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)


async def warm_up(engine: Engine, adapter: str | None) -> None:
    """Scores once in every way, many prompts at once: what an engine compiles or loads when it
    is first asked, it has when it is first asked by somebody.

    Raises the fault of an engine that can do none of it.
    """
    room = engine.info.max_tokens
    labels = ((1,), (2,))
    texts = ((1, 2, 3), (2, 3, 4, 5))
    prompts = [
        TokenPrompt((number,) * min(_WARM_UP_TOKENS, room - 8), labels, (3,))
        for number in range(1, _WARM_UP_PROMPTS)
    ]
    calls = [prompts]
    for prompt in prompts[:2]:
        calls.append([prompt])
        calls.append([TokenPrompt(prompt.prompt, labels)])
        calls.append([TokenPrompt(prompt.prompt, texts, top_tokens=3)])
    for call in calls:
        for outcome in await engine.score(call, adapter):
            if isinstance(outcome, PromptFault):
                raise outcome


class RemoteEngine:
    """An engine's process, and whichever takes its place. ``handle`` is its deployment's.

    Of one model and of its adapters; ``killers`` are shared by all processes of the model.
    """

    def __init__(self, name: str, handle: Any, killers: Killers) -> None:
        self._name = name
        self._handle = handle
        self._suspects = Suspects(self._ask, killers)
        self._connect()

    @property
    def is_lost(self) -> bool:
        """Whether its process is gone, or does not answer yet."""
        return not self._connecting.done()

    @property
    def is_free(self) -> bool:
        """Whether it can be asked now, and nothing that may kill it is there."""
        return not self.is_lost and not self._suspects.are_tried

    async def connected(self) -> EngineInfo:
        """Waits until the process answers."""
        return (await asyncio.shield(self._connecting)).info

    async def wait_lost(self) -> None:
        """Waits until the process is gone."""
        if not self.is_lost:
            await self._connecting.result().wait_lost()

    async def score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        """As ``Engine.score``. Raises Unavailable when the process does not come back in time."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                connection = await self._free_connection()
            try:
                return await _outcomes(connection, prompts, adapter)
            except NotSent:
                return await self.score(prompts, adapter)
            except ConnectionError:
                _log.warning(
                    "models/%s: its engine died with %d prompts of a call", self._name, len(prompts)
                )
            async with asyncio.timeout(_TRIAL_SECONDS):
                return await self._suspects.outcomes(prompts, adapter)
        except TimeoutError:
            raise Unavailable(
                f"the engine of models/{self._name} was lost",
                reason="ENGINE_LOST",
                retry_seconds=5.0,
            ) from None

    def close(self) -> None:
        """Serve stops the process; nobody asks it any more."""
        self._suspects.close()
        if self.is_lost:
            self._connecting.cancel()
        else:
            self._connecting.result().close()

    async def _free_connection(self) -> Connection:
        while True:
            connection = await asyncio.shield(self._connecting)
            if not self._suspects.are_tried:
                return connection
            await self._suspects.cleared()

    async def _ask(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        """For the suspects, who have the process to themselves."""
        connection = await asyncio.shield(self._connecting)
        if not prompts:
            return []
        try:
            return await _outcomes(connection, prompts, adapter)
        except NotSent:
            return await self._ask(prompts, adapter)

    def _connect(self) -> None:
        self._connecting = asyncio.create_task(self._connection())

    async def _connection(self) -> Connection:
        while True:
            try:
                return await Connection.open(await self._handle.path.remote(), self._connect)
            except Exception as error:
                if not isinstance(error, _ABSENT):
                    _log.error("models/%s: no connection: %s", self._name, class_and_place(error))
                await asyncio.sleep(_PAUSE_SECONDS)


async def _outcomes(
    connection: Connection, prompts: Sequence[TokenPrompt], adapter: str | None
) -> list[Outcome]:
    """What the process says. Raises ConnectionError when it is gone.

    A call that it fails at as a whole is made again in halves, until the prompt that it fails at
    is alone.
    """
    try:
        outcomes = await connection.score(prompts, adapter)
        if len(outcomes) == len(prompts):
            return outcomes
        _log.error("an engine answered %d prompts with %d scores", len(prompts), len(outcomes))
    except EngineFault:
        pass  # the process has logged the cause
    if len(prompts) <= 1:
        fault = PromptFault.of_engine()
        return [fault for _ in prompts]
    half = len(prompts) // 2
    return [
        *await _outcomes(connection, prompts[:half], adapter),
        *await _outcomes(connection, prompts[half:], adapter),
    ]


class RemoteEngines:
    """The processes of one engine as one; prompts that begin alike go to the same.

    ``adapter`` is what is asked there: an adapter by its name, or the model itself.
    """

    def __init__(
        self, engines: Sequence[RemoteEngine], killers: Killers, adapter: str | None = None
    ) -> None:
        self._engines = engines
        self._killers = killers
        self._adapter = adapter
        self._router = Router(len(engines))
        self.info = EngineInfo(name="", version="", dtype="", max_tokens=0, vocabulary=None)

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
    ) -> list[Outcome]:
        """Of the model or the adapter that it was made for, whatever ``adapter`` says.

        Raises Unavailable when a process is lost and none takes its place in time.
        """
        outcomes: list[Outcome] = [killed() for _ in prompts]
        allowed = [
            place
            for place, prompt in enumerate(prompts)
            if not self._killers.holds(prompt, self._adapter)
        ]
        shares = self._router.assign([prompts[place] for place in allowed], without=self._busy())
        try:
            found = await gather_or_cancel(
                self._engines[process].score(
                    [prompts[allowed[place]] for place in places], self._adapter
                )
                for process, places in shares.items()
            )
        finally:
            for process, places in shares.items():
                self._router.done(process, len(places))
        order = itertools.chain(*shares.values())
        for place, outcome in zip(order, itertools.chain(*found), strict=True):
            outcomes[allowed[place]] = outcome
        return outcomes

    async def check(self) -> None:
        """The processes are watched where they are."""

    def close(self) -> None:
        for engine in self._engines:
            engine.close()

    def _busy(self) -> set[int]:
        """The processes that get nothing new; none where that were all of them."""
        busy = {place for place, engine in enumerate(self._engines) if not engine.is_free}
        return set() if len(busy) == len(self._engines) else busy
