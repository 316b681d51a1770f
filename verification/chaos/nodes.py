"""One of two nodes of a cluster under load is killed, or its raylet alone, and comes back."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
from tests.integration.clustered import Service, running
from tests.integration.ray_nodes import HEAD, WORKER, Node

from trueodds_demo.service import MODELS
from verification.chaos.load import load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL

TRIES = 5
_LOOK_SECONDS = 0.2
_BACK_SECONDS = 300.0
# Within which what runs on a node has to notice that its raylet is gone, and end.
_NOTICED_SECONDS = 120.0
# Each node has one GPU that nobody has, so that each has a replica.
_ENGINE: dict[str, Any] = {**FAKE, "gpus": 1, "replicas": 2}

Strike = Callable[[Node, Result], float]
"""Ends all that runs on a node; the moment from which recovery counts."""


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
    """With all that runs there."""
    return _drill("killed-node-sqlite", _kill_node, tries)


def killed_raylet(tries: int = TRIES) -> Result:
    """The raylet alone: its gateway and its engine learn of it by themselves."""
    return _drill("killed-raylet-sqlite", _kill_raylet, tries)


def _drill(name: str, strike: Strike, tries: int) -> Result:
    """The node of the cluster's head stays: without it there is no cluster."""
    result = Result(name)
    model = {"name": MODEL, "weights": str(MODELS / "aligned"), "engine": _ENGINE}
    with running([model]) as service:
        target = _Target(service)
        with load(target, result) as running_load:
            for _ in range(tries):
                since = strike(service.nodes.worker, result)
                # Those who were still answered by what was about to end do not count.
                running_load.recovered(time.monotonic())
                result.recoveries.append(time.monotonic() - since)
                service.nodes.add_worker()
                _wait_until_whole(target)
                running_load.recovered(time.monotonic())
                result.tries += 1
    return result


def _kill_node(node: Node, _: Result) -> float:
    node.kill()
    return time.monotonic()


def _kill_raylet(node: Node, result: Result) -> float:
    """What has not noticed in time is wrong, for it would be beside the node that comes back."""
    left = node.kill_raylet()
    since = time.monotonic()
    for process in psutil.wait_procs(left, timeout=_NOTICED_SECONDS)[1]:
        result.wrong += 1
        result.note(f"{process} goes on without a raylet")
        process.kill()
    noticed = round(time.monotonic() - since, 1)
    result.seen["all ended after, s"] = max(noticed, result.seen.get("all ended after, s", 0))
    return since


def _wait_until_whole(target: _Target) -> None:
    """Raises TimeoutError where the node is not used again."""
    end = time.monotonic() + _BACK_SECONDS
    while not target.is_whole:
        if time.monotonic() > end:
            raise TimeoutError("the node that is back has no gateway and replica")
        time.sleep(_LOOK_SECONDS)
