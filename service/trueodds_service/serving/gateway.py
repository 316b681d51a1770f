"""The gateway: a Serve deployment, each of whose replicas owns the servers at the same addresses.

Serve's own gRPC proxy knows neither health checks, deadlines nor streams as gRPC means them.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trueodds_service.app import App
from trueodds_service.config import Settings
from trueodds_service.edge import logs
from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.edge.metrics.server import MetricsServer
from trueodds_service.edge.metrics.state import Load, StateCollector, of_loads
from trueodds_service.edge.tracing import Tracing
from trueodds_service.errors import ModelFault, class_and_place
from trueodds_service.prompts.loading import leave_torch_out
from trueodds_service.serving import garbage, nodes
from trueodds_service.serving.address import listening_on
from trueodds_service.serving.directory import (
    ANSWER_SECONDS,
    WITHDRAW_SECONDS,
    Announcement,
    GatewayReport,
)
from trueodds_service.serving.loopback import keep_serve_to_this_machine
from trueodds_service.serving.progress import States
from trueodds_service.serving.replica import ABSENT
from trueodds_service.serving.replicas import Replicas, ServedReplicas
from trueodds_service.serving.sockets import node_folder
from trueodds_service.serving.weights import all_at_hand

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
# Before a watch that failed begins anew.
_PAUSE_SECONDS = 5.0
# How long it waits for what is there already before it listens: tokenizers, on a busy machine.
_FIRST_SECONDS = 120.0
_FIRST_LOOK_SECONDS = 1.0
# How often it asks the directory who is there.
_LOOK_SECONDS = 0.5


class Gateway:
    """Listens once it knows its weights, and takes up each model as a replica of it answers."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        settings: Settings,
        directory: Any,
        engines: Sequence[Any] = (),
        sockets: Path | None = None,
    ) -> None:
        """``sockets`` as of a ``Replica``."""
        # ``engines`` are of the application only because this refers to them.
        keep_serve_to_this_machine()
        leave_torch_out()
        self._number = uuid.uuid4().int >> 65
        self._directory = directory
        folder = sockets or node_folder(nodes.here())
        metrics = ProcessMetrics(f"gateway-{self._number:x}", folder)
        logs.write(metrics.process, folder)
        settings = await asyncio.to_thread(all_at_hand, settings)
        settings = listening_on(settings, nodes.address())
        self._tracing = Tracing.of(settings.tracing, metrics.process)
        self._app = App(settings, metrics, self._tracing)
        self._models = settings.models
        here, revisions = nodes.here(), await self._app.find_revisions()
        self._replicas = {
            model.name: Replicas(
                model.name,
                here,
                {
                    other.name: revisions[other.name]
                    for other in settings.models
                    if model.name in (other.name, other.base)
                },
            )
            for model in settings.models
            if model.base is None
        }
        # An adapter is asked in the engine of its base, by its own name.
        served = {
            model.name: ServedReplicas(
                self._replicas[model.base or model.name], model.name if model.base else None
            )
            for model in settings.models
        }
        # Whether a model has been ready or has failed.
        self._taken_up = {model.name: asyncio.Event() for model in settings.models}
        self._following = [
            asyncio.create_task(self._watch(name, engine)) for name, engine in served.items()
        ]
        await self._take_up_who_is_there()
        self._following.append(asyncio.create_task(self._look_for_replicas()))
        await self._app.start()
        metrics.registry.register(StateCollector(lambda: of_loads(self._loads())))
        metrics.start()
        self._metrics_server = (
            MetricsServer(settings.metrics, metrics.node) if settings.metrics is not None else None
        )

    async def __del__(self) -> None:
        for task in getattr(self, "_following", ()):
            task.cancel()
        with contextlib.suppress(*ABSENT):
            async with asyncio.timeout(WITHDRAW_SECONDS):
                await self._directory.withdraw_gateway.remote(self._number)
        await self._app.stop(_GRACE_SECONDS)
        if server := getattr(self, "_metrics_server", None):
            server.close()
        self._app.metrics.close()
        if tracing := getattr(self, "_tracing", None):
            await asyncio.to_thread(tracing.close)
        # Only now: requests under way were to have their answers.
        for replicas in self._replicas.values():
            replicas.close()

    @property
    def address(self) -> str:
        return self._app.address

    def states(self) -> States:
        """As ``App.states``: what health says, with the causes."""
        return self._app.states()

    def _loads(self) -> Mapping[str, Load]:
        return {name: replicas.load for name, replicas in self._replicas.items()}

    async def _take_up_who_is_there(self) -> None:
        """Where it takes the place of another gateway, it listens once it can answer as well."""
        with contextlib.suppress(TimeoutError, *ABSENT):
            async with asyncio.timeout(_FIRST_SECONDS):
                while coming := self._coming(await self._directory.replicas.remote()):
                    # One that has died meanwhile is soon not named any more.
                    try:
                        await asyncio.wait(coming, timeout=_FIRST_LOOK_SECONDS)
                    finally:
                        for each in coming:
                            each.cancel()

    def _coming(self, replicas: Sequence[Announcement]) -> list[asyncio.Task[bool]]:
        """What waits for each model that a replica answers for, and that is not taken up yet."""
        for each in self._replicas.values():
            each.learn(replicas)
        there = {
            each.model
            for each in replicas
            if each.model in self._replicas and self._replicas[each.model].takes(each)
        }
        return [
            asyncio.create_task(self._taken_up[model.name].wait())
            for model in self._models
            if (model.base or model.name) in there and not self._taken_up[model.name].is_set()
        ]

    async def _look_for_replicas(self) -> None:
        """Tells the directory that this gateway is there, and learns who else is, for ever.

        Where the directory does not answer, those that are known stay.
        """
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._look()
            except (TimeoutError, *ABSENT) as error:
                _log.debug("the directory does not answer: %s", type(error).__name__)
            except Exception as error:
                _log.error("the replicas cannot be looked for: %s", class_and_place(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        killers = {name: each.killers.known for name, each in self._replicas.items()}
        found = {name: known for name, known in killers.items() if known}
        seen = [replica for each in self._replicas.values() for replica in each.seen]
        spent = self._app.quotas.spent()
        report = GatewayReport(
            self._number, self._app.address, self.states(), found, frozenset(seen), spent
        )
        view = await self._directory.report.remote(report)
        self._app.quotas.learn(view.spent)
        for name, replicas in self._replicas.items():
            replicas.learn(view.replicas)
            replicas.killers.learn(view.killers.get(name, {}))
            if suspected := replicas.suspected_nodes:
                replicas.acquit(await asyncio.to_thread(nodes.lost, suspected))
        await self._take_failures(view.failures)

    async def _take_failures(self, failures: Mapping[str, str]) -> None:
        """Serve could not start these engines: the models and their adapters cannot come up."""
        states = self._app.states()
        for model in self._models:
            cause = failures.get(model.base or model.name)
            # One that is ready has a replica that answers.
            if cause is not None and states[model.name][0] != "READY":
                await self._app.model_failed(model.name, cause)

    async def _watch(self, name: str, engine: ServedReplicas) -> None:
        """Follows a model's engine for ever: no error ends the watch in silence."""
        while True:
            try:
                await self._follow(name, engine)
            except Exception as error:
                _log.error("models/%s: its watch failed: %s", name, class_and_place(error))
                cause = f"a fault of the service's ({type(error).__name__})"
                await self._app.model_failed(name, cause)
                self._taken_up[name].set()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, name: str, engine: ServedReplicas) -> None:
        """Takes a model up whenever a replica answers, and down when none does."""
        while True:
            info = await engine.connected()
            try:
                await self._app.model_ready(name, engine, info)
            except ModelFault as error:
                # Nothing but a mended folder helps: not tried again before the engine is replaced.
                _log.error("models/%s has failed: %s", name, error.message)
                await self._app.model_failed(name, error.message)
                self._taken_up[name].set()
                await engine.wait_lost()
                continue
            self._taken_up[name].set()
            garbage.collect_rarely()
            await engine.wait_lost()
            _log.warning("the engine of %s is gone; waiting for its replacement", name)
            await self._app.model_lost(name)
