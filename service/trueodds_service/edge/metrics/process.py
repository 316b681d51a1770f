"""The metrics of one process, told to the others of its node over a socket in their folder."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Self

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from trueodds_service.edge.metrics import page

SUFFIX = ".metrics"

# A second series beside each, which Prometheus itself does not read.
disable_created_metrics()  # type: ignore[no-untyped-call]


class ProcessMetrics:
    """What this process counts, in ``registry``.

    Its samples carry ``process``, a name that no other process of the node has, such as
    "gateway-3f2a".
    """

    def __init__(self, process: str, folder: Path | None = None) -> None:
        """The others are found in ``folder``, of this user alone; without one there are none."""
        self.process = process
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge("trueodds_threads", "Threads of the process.", registry=self.registry).set_function(
            threading.active_count
        )
        Info("trueodds_build", "The version that runs.", registry=self.registry).info(
            {"version": metadata.version("trueodds-service")}
        )
        self._folder = folder
        self._pages = page.Pages(folder, SUFFIX) if folder is not None else None
        self._server: _Server | None = None

    def start(self) -> Self:
        """From now on the other processes of the node find it."""
        if self._folder is not None:
            self._server = _Server(self._folder / f"{self.process}{SUFFIX}", self.own)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def close(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            with contextlib.suppress(OSError):
                Path(str(server.server_address)).unlink()

    def own(self) -> bytes:
        """This process's, in Prometheus's text format."""
        return generate_latest(_Named(self.registry, self.process))

    def node(self) -> bytes:
        """Those of every process of the node; it waits for the others, so not in an event loop."""
        return self.own() if self._pages is None else self._pages.all()


class _Named(Collector):
    """A registry whose samples say of which process they are."""

    def __init__(self, registry: CollectorRegistry, process: str) -> None:
        self._registry, self._process = registry, process

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, "process": self._process})
                for sample in metric.samples
            ]
            yield metric


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, text: Callable[[], bytes]) -> None:
        self.text = text
        super().__init__(str(path), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # who asked has left
            self.request.sendall(self.server.text())
