"""The gateway: a Serve deployment that owns the gRPC server.

Serve's own gRPC proxy knows neither health checks, deadlines nor streams as gRPC means them.
"""

import asyncio
import gc
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from trueodds_service.app import App
from trueodds_service.config import Settings
from trueodds_service.errors import ModelFault, class_and_place
from trueodds_service.serving.engines import RemoteEngine, RemoteEngines
from trueodds_service.serving.suspects import Killers

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
# Before a watch that failed begins anew.
_PAUSE_SECONDS = 5.0


class Gateway:
    """Listens from its first second, and takes up each model as its engine answers."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, settings: Settings, engines: Mapping[str, Sequence[Any]]
    ) -> None:
        self._app = App(settings)
        self._models = settings.models
        killers = {name: Killers() for name in engines}
        processes = {
            name: [RemoteEngine(name, handle, killers[name]) for handle in handles]
            for name, handles in engines.items()
        }
        self._engines = {
            # An adapter is asked in the engine of its base, by its own name.
            model.name: RemoteEngines(
                processes[model.base or model.name],
                killers[model.base or model.name],
                adapter=model.name if model.base else None,
            )
            for model in settings.models
        }
        self._following = [
            asyncio.create_task(self._watch(name, engine)) for name, engine in self._engines.items()
        ]
        await self._app.start()

    async def address(self) -> str:
        return self._app.address

    async def __del__(self) -> None:
        for task in self._following:
            task.cancel()
        await self._app.stop(_GRACE_SECONDS)
        # Only now: requests under way were to have their answers.
        for engine in self._engines.values():
            engine.close()

    async def states(self) -> dict[str, tuple[str, str]]:
        """As ``App.states``: what health says, with the causes."""
        return self._app.states()

    async def engine_failed(self, name: str, cause: str) -> None:
        """Serve could not start the engine: a model and its adapters cannot come up."""
        states = self._app.states()
        for model in self._models:
            # One that is ready by now has an engine that was started since.
            if name in (model.name, model.base) and states[model.name][0] != "READY":
                await self._app.model_failed(model.name, cause)

    async def _watch(self, name: str, engine: RemoteEngines) -> None:
        """Follows a model's engine for ever: no error ends the watch in silence."""
        while True:
            try:
                await self._follow(name, engine)
            except Exception as error:
                _log.error("models/%s: its watch failed: %s", name, class_and_place(error))
                cause = f"a fault of the service's ({type(error).__name__})"
                await self._app.model_failed(name, cause)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, name: str, engine: RemoteEngines) -> None:
        """Takes a model up whenever its engine answers, and down when it is lost."""
        while True:
            await engine.connected()
            try:
                await self._app.model_ready(name, engine, engine.info)
            except ModelFault as error:
                # Nothing but a mended folder helps: not tried again before the engine is replaced.
                _log.error("models/%s has failed: %s", name, error.message)
                await self._app.model_failed(name, error.message)
                await engine.wait_lost()
                continue
            # What is here now stays: the collector's pauses would be seen in the latencies.
            gc.collect()
            gc.freeze()
            await engine.wait_lost()
            _log.warning("the engine of %s is gone; waiting for its replacement", name)
            await self._app.model_lost(name)
