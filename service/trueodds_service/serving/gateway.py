"""The gateway: a Serve deployment that owns the gRPC server.

Serve's own gRPC proxy knows neither health checks, deadlines nor streams as gRPC means them.
"""

import asyncio
import gc
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from trueodds_service.app import App
from trueodds_service.config import ModelSettings, Settings
from trueodds_service.serving.engines import RemoteEngine, RemoteEngines

_log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0


class Gateway:
    """Listens from its first second, and takes up each model as its engine answers."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, settings: Settings, engines: Mapping[str, Sequence[Any]]
    ) -> None:
        self._app = App(settings)
        self._engines = {
            model.name: self._engine(model, engines[model.base or model.name])
            for model in settings.models
        }
        self._connecting = {
            name: asyncio.create_task(self._connect(name)) for name in self._engines
        }
        await self._app.start()

    async def address(self) -> str:
        return self._app.address

    async def __del__(self) -> None:
        for task in self._connecting.values():
            task.cancel()
        for engine in self._engines.values():
            engine.close()
        await self._app.stop(_GRACE_SECONDS)

    def _engine(self, model: ModelSettings, handles: Sequence[Any]) -> RemoteEngines:
        name, is_adapter = model.name, model.base is not None

        async def lost() -> None:
            if self._connecting[name].done():
                _log.warning("the engine of %s is gone; waiting for its replacement", name)
                self._connecting[name] = asyncio.create_task(self._connect(name))
                await self._app.model_lost(name)

        processes = [RemoteEngine(name, handle, is_adapter=is_adapter) for handle in handles]
        return RemoteEngines(processes, lost)

    async def _connect(self, name: str) -> None:
        engine = self._engines[name]
        await engine.connect()
        await self._app.model_ready(name, engine, engine.info)
        # What is here now stays: the collector's pauses would be seen in the latencies.
        gc.collect()
        gc.freeze()
