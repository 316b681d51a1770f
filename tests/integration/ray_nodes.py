"""Nodes of a Ray cluster on this machine, each at a loopback address of its own."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

HEAD, WORKER = "127.0.0.2", "127.0.0.3"
"""On Linux the whole of 127.0.0.0/8 is this machine."""


def free_port(*hosts: str) -> int:
    """A port that is free at all of these addresses."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.create_server((hosts[0], 0)))
        port = int(first.getsockname()[1])
        for host in hosts[1:]:
            stack.enter_context(socket.create_server((host, port)))
        return port


def environment(folder: Path) -> dict[str, str]:
    """Of a cluster's processes and of who talks to them: a token of its own, in ``folder``."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    return {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_worker_niceness": "0",
        "RAY_memory_monitor_refresh_ms": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


class Node:
    """A raylet with one GPU that nobody has, and all that runs on it."""

    def __init__(self, address: str, folder: Path, environment: dict[str, str], *how: str) -> None:
        self.address = address
        self._log = folder / f"{address}.log"
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
            *("--node-ip-address", address, "--num-cpus", "2", "--num-gpus", "1"),
            *("--object-store-memory", str(128 * 2**20), "--disable-usage-stats", *how),
        ]
        for last in (False, False, True):
            with self._log.open("w") as log:
                self._process = psutil.Popen(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
            if self._is_up():
                return
            # Ray gives a node half a minute, which a busy machine exceeds.
            assert not last, self._log.read_text()

    def _is_up(self) -> bool:
        while "Ray runtime started" not in self._log.read_text():
            if self._process.poll() is not None:
                return False
            time.sleep(0.1)
        return True

    def processes(self, name: str) -> list[psutil.Process]:
        """Those of the node whose title has this in it."""
        found = []
        for process in self._process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self) -> None:
        """Ends everything on it, as a machine does that loses its power."""
        everything = [*self._process.children(recursive=True), self._process]
        for process in everything:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        for process in everything:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait()
        psutil.wait_procs(everything, timeout=30)

    def kill_raylet(self) -> list[psutil.Process]:
        """Ends its raylet alone; all others that run on it, which learn of it by themselves."""
        everything = [*self._process.children(recursive=True), self._process]
        [raylet] = [each for each in everything if each.name() == "raylet"]
        raylet.kill()
        return [each for each in everything if each != raylet]


class Cluster:
    """A head and a worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = environment(folder)
        port = free_port(HEAD)
        self.address = f"{HEAD}:{port}"
        self.head = self._start(
            *(HEAD, "--head", "--port", str(port), "--include-dashboard", "false"),
            *("--temp-dir", str(folder / "ray")),
        )
        self.worker = self.add_worker()

    def add_worker(self) -> Node:
        self.worker = self._start(WORKER, "--address", self.address)
        return self.worker

    def _start(self, address: str, *how: str) -> Node:
        environment = {**self.environment, "HF_HUB_CACHE": str(self.cache(address))}
        return Node(address, self._folder, environment, *how)

    def cache(self, address: str) -> Path:
        """Where a node keeps what it has fetched from the Hugging Face hub: none has another's."""
        return self._folder / f"{address}.hub"

    def close(self) -> None:
        for node in (self.worker, self.head):
            with contextlib.suppress(psutil.Error):
                node.kill()


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Its folder has to have a short name: sockets are in it."""
    started = Cluster(folder)
    try:
        yield started
    finally:
        started.close()
