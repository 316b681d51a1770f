"""A gateway in a process of its own with an engine that takes no time, without Ray.

It is the whole edge of the service, real but for the engine, and what it holds can be counted.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from trueodds_demo.service import MODELS
from trueodds_service.app import App
from trueodds_service.config import load
from trueodds_service.engine.start import start_engine
from verification.chaos.service import FAKE, MODEL

_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Held:
    """What a process holds, resident bytes, open handles and threads; and the seconds that it has
    computed.
    """

    memory: int
    handles: int
    threads: int
    computed: float


@dataclass(frozen=True)
class Gateway:
    """Where it answers over gRPC and over HTTP, its store, and its process."""

    address: str
    http_address: str
    store: str
    process: psutil.Process

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def http_port(self) -> int:
        return int(self.http_address.rpartition(":")[2])

    @property
    def runs(self) -> bool:
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def held(self) -> Held:
        with self.process.oneshot():
            return Held(
                self.process.memory_info().rss,
                self.process.num_fds(),
                self.process.num_threads(),
                sum(self.process.cpu_times()[:2]),
            )


@contextlib.contextmanager
def gateway(
    store: str | None = None, *, engine: dict[str, Any] = FAKE, **settings: Any
) -> Iterator[Gateway]:
    """One that answers; a store of its own where none is named."""
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        store = store or f"sqlite:///{folder}/store.sqlite"
        path = Path(folder) / "serve.yaml"
        content = {
            "listen": "127.0.0.1:0",
            "http": "127.0.0.1:0",
            "store": store,
            "models": [{"name": MODEL, "weights": str(MODELS / "aligned"), "engine": engine}],
            **settings,
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        command = [sys.executable, "-m", __spec__.name, str(path)]
        with (Path(folder) / "log").open("w") as log:
            process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            if not (addresses := process.stdout.readline().split()):
                said = (Path(folder) / "log").read_text(encoding="utf-8")
                raise RuntimeError(f"the gateway did not start:\n{said[-2000:]}")
            address, http_address = addresses
            yield Gateway(address, http_address, store, process)
        finally:
            _end(process)


def _end(process: psutil.Process) -> None:
    """By SIGTERM, and by SIGKILL where that does not do; it may have ended by itself."""
    for end in (process.resume, process.terminate, process.kill):
        with contextlib.suppress(psutil.Error):
            end()
            if end != process.resume:
                process.wait(_STOP_SECONDS)


async def _serve(path: Path) -> None:
    settings = load(path)
    app = App(settings)
    await app.start()
    for model in settings.models:
        engine = start_engine(model)
        await app.model_ready(model.name, engine, engine.info)
    print(app.address, app.http_address, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await app.stop(1.0)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
