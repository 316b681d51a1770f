"""The real service as processes, some of which are killed or stopped."""

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from trueodds import Client
from trueodds_demo.service import ALIGNED, MODELS, running

MODEL = ALIGNED
FAKE = {"backend": "fake", "sharpness": 3.0}
"""An engine that starts at once: what is seen is the serving around it."""
VLLM: dict[str, Any] = {"backend": "vllm"}


@dataclass(frozen=True)
class Service:
    """Where it answers, what it keeps, and its processes."""

    address: str
    store: str
    _path: Path
    _before: frozenset[psutil.Process]

    def update(self, engine: dict[str, Any]) -> None:
        """Has it take over these settings of its engine; returns before it has."""
        content = yaml.safe_load(self._path.read_text(encoding="utf-8"))
        content["models"][0]["engine"] = engine
        self._path.write_text(yaml.safe_dump(content), encoding="utf-8")
        [serving] = self.processes(f"trueodds serve {self._path}")
        serving.send_signal(signal.SIGUSR1)

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those whose title or command has one of these words in it."""
        found = []
        for process in set(psutil.Process().children(recursive=True)) - self._before:
            with contextlib.suppress(psutil.Error):
                # No command is told of one that has ended and that nobody has waited for.
                title = " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and any(w in title for w in words):
                    found.append(process)
        return found


@contextlib.contextmanager
def service(
    store: str, *, engine: dict[str, Any] = FAKE, gateways: int = 1, **settings: Any
) -> Iterator[Service]:
    """`trueodds serve` with one of the demo's models, once that answers."""
    before = frozenset(psutil.Process().children(recursive=True))
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        path = Path(folder) / "serve.yaml"
        content = {
            "listen": "127.0.0.1:0",
            "store": store,
            "gateways": gateways,
            "models": [{"name": MODEL, "weights": str(MODELS / "aligned"), "engine": engine}],
            **settings,
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        with running(path) as address:
            with Client(address) as client:
                client.wait_until_ready()
            yield Service(address, store, path, before)
