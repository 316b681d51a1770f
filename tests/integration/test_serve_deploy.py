"""The service run by Ray's own tools: `serve deploy` through the dashboard of a cluster."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from tests.integration.ray_nodes import HEAD, Node, environment, free_port

from trueodds import Client, Question
from trueodds_demo.service import MODELS

pytestmark = pytest.mark.cluster

PATIENCE_SECONDS = 120.0


class Dashboard:
    """A cluster of one node, with a dashboard and a token, and a service's configuration."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = environment(folder)
        port, dashboard, listen = (free_port(HEAD) for _ in range(3))
        self._url = f"http://{HEAD}:{dashboard}"
        self.address = f"{HEAD}:{listen}"
        self.node = Node(
            HEAD,
            folder,
            self._environment,
            *("--head", "--port", str(port), "--temp-dir", str(folder / "ray")),
            *("--dashboard-host", HEAD, "--dashboard-port", str(dashboard)),
        )

    def deploy(self, replicas: int) -> None:
        """Runs the service, and returns once all of it is as it was asked for."""
        engine = {"backend": "fake", "replicas": replicas}
        content = {
            "listen": self.address,
            "store": f"sqlite:///{self._folder / 's.sqlite'}",
            "gateways": 2,
            "models": [{"name": "model", "weights": str(MODELS / "base"), "engine": engine}],
        }
        path = self._folder / "serve.yaml"
        path.write_text(yaml.safe_dump(content))
        made = self._folder / "deployed.yaml"
        made.write_text(self._run("trueodds", "serve-config", str(path)))
        self._serve("deploy", str(made))
        ends = time.monotonic() + PATIENCE_SECONDS
        while not self._is_up(replicas):
            assert time.monotonic() < ends, self._serve("status")
            time.sleep(0.5)

    def shut_down(self) -> None:
        self._serve("shutdown", "-y")

    def _is_up(self, replicas: int) -> bool:
        status = yaml.safe_load(self._serve("status"))["applications"].get("trueodds", {})
        states = status.get("deployments", {}).get("engine-model", {}).get("replica_states")
        return status.get("status") == "RUNNING" and states == {"RUNNING": replicas}

    def _serve(self, command: str, *rest: str) -> str:
        return self._run("ray.serve.scripts", command, *rest, "--address", self._url)

    def _run(self, module: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    # Short: sockets are in it.
    with tempfile.TemporaryDirectory(prefix="d") as folder:
        started = Dashboard(Path(folder))
        try:
            yield started
        finally:
            started.node.kill()


def test_serve_deploy_runs_the_service_and_replaces_it_without_a_failed_request(
    dashboard: Dashboard,
) -> None:
    dashboard.deploy(replicas=1)
    question, stop = Question("Is it?", ("yes", "no")), threading.Event()

    def ask() -> int:
        asked = 0
        while not stop.is_set():
            # Connections of their own: the kernel deals them out between the gateways.
            with Client(dashboard.address) as client:
                client.score(question, model="model")
            asked += 1
        return asked

    with Client(dashboard.address) as client:
        client.wait_until_ready()
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask)
        try:
            dashboard.deploy(replicas=2)
        finally:
            stop.set()
        assert asking.result() > 100
    dashboard.shut_down()
