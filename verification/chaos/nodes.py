"""One of two nodes of a cluster under load is killed, with all that runs there, and comes back."""

import random
import time
from dataclasses import dataclass
from typing import Any

from tests.integration.clustered import Service, running
from tests.integration.ray_nodes import HEAD, WORKER

from trueodds_demo.service import MODELS
from verification.chaos.load import load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL

TRIES = 5
_LOOK_SECONDS = 0.2
_BACK_SECONDS = 300.0
# Each node has one GPU that nobody has, so that each has a replica.
_ENGINE: dict[str, Any] = {**FAKE, "gpus": 1, "replicas": 2}


@dataclass(frozen=True)
class _Target:
    """What is asked: both gateways."""

    service: Service

    @property
    def address(self) -> str:
        """In an order of chance, so that callers are with both; the other one is their second."""
        return self.service.address(*random.sample((HEAD, WORKER), 2))

    @property
    def store(self) -> str:
        return self.service.store

    @property
    def is_whole(self) -> bool:
        titles = ("gateway", f"engine-{MODEL}")
        return all(self.service.processes(title) == [1, 1] for title in titles)


def killed_node(tries: int = TRIES) -> Result:
    """That of the cluster's head stays: without it there is no cluster."""
    result = Result("killed-node-sqlite")
    model = {"name": MODEL, "weights": str(MODELS / "aligned"), "engine": _ENGINE}
    with running([model]) as service:
        target = _Target(service)
        with load(target, result) as running_load:
            for _ in range(tries):
                service.nodes.worker.kill()
                result.recoveries.append(running_load.recovered(time.monotonic()))
                service.nodes.add_worker()
                _wait_until_whole(target)
                running_load.recovered(time.monotonic())
                result.tries += 1
    return result


def _wait_until_whole(target: _Target) -> None:
    """Raises TimeoutError where the node is not used again."""
    end = time.monotonic() + _BACK_SECONDS
    while not target.is_whole:
        if time.monotonic() > end:
            raise TimeoutError("the node that is back has no gateway and replica")
        time.sleep(_LOOK_SECONDS)
