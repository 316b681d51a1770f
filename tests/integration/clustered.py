"""`trueodds serve` on two nodes of this machine."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from tests.integration.ray_nodes import HEAD, WORKER, Cluster, cluster, free_port

from trueodds import Client


class Service:
    """`trueodds serve --ray-address`, and what it says."""

    def __init__(self, nodes: Cluster, folder: Path, models: Sequence[dict[str, Any]]) -> None:
        self.nodes = nodes
        self.store = f"sqlite:///{folder / 'store.sqlite'}"
        self._path = folder / "serve.yaml"
        self._port = free_port(HEAD, WORKER)
        self.configure(models)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "trueodds", "serve", str(self._path)),
                *("--ray-address", nodes.address),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=nodes.environment,
            text=True,
        )

    def configure(self, models: Sequence[dict[str, Any]]) -> None:
        """Writes the configuration, with a gateway on each node."""
        content = {
            "listen": f"NODE:{self._port}",
            "insecure": True,
            "store": self.store,
            "gateways": 1,
            "models": list(models),
        }
        self._path.write_text(yaml.safe_dump(content))

    def told(self, wanted: str) -> list[str]:
        """The lines up to the first that begins so."""
        lines = []
        for line in self._process.stdout or ():
            lines.append(line.strip())
            if line.startswith(wanted):
                return lines
        raise AssertionError(f"{wanted!r} is not in {lines}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def address(self, *hosts: str) -> str:
        """Of the gateways of these nodes; a client asks the first that is there."""
        return "ipv4:" + ",".join(f"{host}:{self._port}" for host in hosts)

    def client(self, *hosts: str) -> Client:
        return Client(self.address(*hosts))

    def processes(self, title: str) -> list[int]:
        """How many such processes the head and the worker have."""
        return [len(node.processes(title)) for node in (self.nodes.head, self.nodes.worker)]

    def close(self) -> int:
        self.signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        return self._process.returncode


@contextlib.contextmanager
def running(models: Sequence[dict[str, Any]]) -> Iterator[Service]:
    """With a cluster of its own, once it is ready."""
    # Ray's sockets need a short name.
    with tempfile.TemporaryDirectory(prefix="c", dir="/tmp") as name, cluster(Path(name)) as nodes:
        service = Service(nodes, Path(name), models)
        try:
            service.told("ready: ")
            yield service
        finally:
            service.close()
