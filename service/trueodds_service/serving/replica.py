"""A replica: one copy of a model's engine, in processes of its own."""

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import psutil
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from trueodds_service import watching
from trueodds_service.config import ModelSettings, TracingSettings
from trueodds_service.edge import logs
from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.edge.metrics.replica import EngineState, ReplicaMetrics
from trueodds_service.edge.tracing import Tracing
from trueodds_service.engine.base import Engine, EngineDied, Outcome, TokenPrompt
from trueodds_service.engine.link.curve_keys import CurveKeys
from trueodds_service.engine.link.listener import Listener
from trueodds_service.engine.start import start_engine
from trueodds_service.errors import ConfigError, ModelFault, PromptFault, class_and_place
from trueodds_service.revision import model_revision
from trueodds_service.serving import garbage, node_folders, nodes
from trueodds_service.serving.directory import (
    ANNOUNCE_SECONDS,
    ANSWER_SECONDS,
    WITHDRAW_SECONDS,
    Announcement,
)
from trueodds_service.serving.loopback import keep_serve_to_this_machine
from trueodds_service.serving.pauses import pause_before_start
from trueodds_service.serving.scaling import PROMPTS
from trueodds_service.serving.sockets import node_folder
from trueodds_service.serving.weights import at_hand

_log = logging.getLogger(__name__)

# How often an engine is asked whether it ends its steps, and how long it may take to say so.
_CHECK_SECONDS = 5.0

# The gateway's own grace, and some: it leaves when its requests have ended.
_GRACE_SECONDS = 10.0

# How long a new replica waits for every gateway to take it up before it counts as running.
_TAKEN_UP_SECONDS = 60.0
_SOON_SECONDS = 0.2

# About a step of the engine.
_WARM_UP_PROMPTS, _WARM_UP_TOKENS = 64, 64

ABSENT = (RayError, RayServeException, OSError)
"""Why a process that Serve runs may not answer."""


class Replica:
    """A Serve deployment: the engine of one model and of its adapters, folders by name.

    It listens on sockets, and announces them to ``directory``. On one machine that is a socket in
    the folder ``sockets``; where ``sockets`` is None, one in a folder of its own and one that other
    nodes can reach.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        model: ModelSettings,
        adapters: Mapping[str, Path],
        sockets: Path | None,
        directory: Any,
        tracing: TracingSettings | None = None,
    ) -> None:
        keep_serve_to_this_machine()
        keys = CurveKeys.make() if sockets is None else None
        sockets = sockets or node_folder(nodes.here())
        number = uuid.uuid4().int >> 65
        self._metrics = ProcessMetrics(f"replica-{number:x}", sockets)
        logs.write(self._metrics.process, sockets)
        self._model = model.name
        self._tracing = Tracing.of(tracing, self._metrics.process)
        await asyncio.sleep(pause_before_start(sockets / f"{model.name}.starts"))
        model = await asyncio.to_thread(at_hand, model)
        if missing := node_folders.wrong([model.weights, *adapters.values()]):
            raise ConfigError(f"node {nodes.address()}: {missing[0]}")
        # In a thread from now on: a start of vLLM's leaves the event loop no time.
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(None, _revisions, model, adapters)
        self._engine = start_engine(model, adapters)
        await warm_up(self._engine, None)
        for adapter in adapters:
            try:
                await warm_up(self._engine, adapter)
            except PromptFault as error:
                raise ModelFault(f"the engine fails with the adapter {adapter}") from error
        self._listener = Listener(self._engine.info, self._score, keys)
        self._ended_step = time.monotonic()
        self._calls = ReplicaMetrics(self._metrics.registry, model.name, self._state).seconds
        self._metrics.start()
        self._directory = directory
        self._announcement = Announcement(
            model=model.name,
            replica=number,
            started=time.time(),
            node=nodes.here(),
            local=self._listener.listen(f"ipc://{sockets / f'{number:x}'}"),
            remote=self._listener.listen(f"tcp://{nodes.address()}:*") if keys else "",
            keys=keys,
            revisions=await reading,
        )
        self._is_taken_up = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._watch(model.engine.hang_seconds)),
            asyncio.create_task(self._announce()),
        ]
        # In a rollout Serve stops the next old replica as soon as this one counts as running.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAKEN_UP_SECONDS):
                await self._is_taken_up.wait()
        garbage.collect_rarely()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What ``scaling`` goes by."""
        return {PROMPTS: float(self._listener.prompts)}

    async def __del__(self) -> None:
        for task in getattr(self, "_tasks", ()):
            task.cancel()
        if hasattr(self, "_announcement"):
            with contextlib.suppress(*ABSENT):
                async with asyncio.timeout(WITHDRAW_SECONDS):
                    await self._directory.withdraw.remote(self._announcement.replica)
        if listener := getattr(self, "_listener", None):
            await listener.close(_GRACE_SECONDS)
        if metrics := getattr(self, "_metrics", None):
            metrics.close()
        if engine := getattr(self, "_engine", None):
            engine.close()
        if tracing := getattr(self, "_tracing", None):
            await asyncio.to_thread(tracing.close)

    def _state(self) -> EngineState:
        usage = self._engine.usage
        return EngineState(
            under_way=self._listener.prompts,
            step_age_seconds=time.monotonic() - self._ended_step,
            resident_bytes=_resident(),
            prompts=usage.prompts,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            faults=usage.faults,
        )

    async def _score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        if self._tracing is None or not (traceparent := watching.current().traceparent):
            return await self._answer(prompts, adapter)
        with self._tracing.call(adapter or self._model, len(prompts), traceparent):
            return await self._answer(prompts, adapter)

    async def _answer(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        started = time.perf_counter()
        try:
            outcomes = await self._engine.score(prompts, adapter)
            self._calls.observe(time.perf_counter() - started)
            return outcomes
        except EngineDied as error:
            _end(f"died ({class_and_place(error.__cause__ or error)})")

    async def _announce(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if await self._directory.announce.remote(self._announcement):
                        self._is_taken_up.set()
            except ABSENT as error:
                _log.debug("the directory does not answer: %s", type(error).__name__)
            except Exception as error:
                _log.error("the replica cannot be announced: %s", class_and_place(error))
            is_known = self._is_taken_up.is_set()
            await asyncio.sleep(ANNOUNCE_SECONDS if is_known else _SOON_SECONDS)

    async def _watch(self, hang_seconds: float) -> None:
        """Ends an engine whose process lives and whose step does not end."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                async with asyncio.timeout(hang_seconds):
                    await self._engine.check()
                self._ended_step = time.monotonic()
            except TimeoutError:
                _end(f"hangs: no step has ended for {hang_seconds:g} seconds")
            except Exception as error:
                _end(f"died ({class_and_place(error)})")


def _revisions(model: ModelSettings, adapters: Mapping[str, Path]) -> dict[str, str]:
    """Of the model and its adapters, by name, by the files of this machine."""
    folders = {model.name: None, **adapters}
    return {
        name: model_revision(model.weights, adapter, quantization=model.quantization)
        for name, adapter in folders.items()
    }


def _resident() -> int:
    """Bytes of memory of this process and of those of its engine."""
    this, total = psutil.Process(), 0
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


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
