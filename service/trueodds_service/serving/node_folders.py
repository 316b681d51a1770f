"""The models' folders on each node of a cluster, before anything starts there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trueodds_service import hub
from trueodds_service.config import ModelSettings
from trueodds_service.errors import ConfigError, class_and_place
from trueodds_service.revision.model import check_weights

# How long all nodes together may take: a process starts there, which takes seconds.
_ANSWER_SECONDS = 120.0
# Of each node, by its address, what is wrong with the folders there.
Asks = Callable[[list[Path]], Mapping[str, list[str]]]


def check(models: Iterable[ModelSettings], ask: Asks | None = None) -> None:
    """Raises ConfigError unless each node has every folder: a gateway reads all, an engine its own.

    What is on the hub each node fetches by itself. ``ask`` asks Ray's nodes unless told.
    """
    folders = list(dict.fromkeys(_folders(models)))
    found = (ask or _ask_nodes)(folders)
    wrong = [f"node {node}: {each}" for node, all_of in sorted(found.items()) for each in all_of]
    if wrong:
        raise ConfigError("\n  ".join(["weights have to be on each node", *wrong]))


def _folders(models: Iterable[ModelSettings]) -> Iterator[Path]:
    for model in models:
        if hub.hub_name(model.weights) is None:
            yield model.weights
        if model.adapter is not None:
            yield model.adapter


def wrong(folders: Iterable[Path]) -> list[str]:
    """What is wrong with folders of this machine."""
    found = []
    for folder in folders:
        try:
            check_weights(folder)
        except ConfigError as error:
            found.append(error.message)
    return found


def _ask_nodes(folders: list[Path]) -> Mapping[str, list[str]]:
    asked = {
        node["NodeManagerAddress"]: _wrong_there(node["NodeID"]).remote(folders)
        for node in ray.nodes()
        if node["Alive"]
    }
    ray.wait([*asked.values()], num_returns=len(asked), timeout=_ANSWER_SECONDS)
    told: dict[str, list[str]] = {}
    for node, answer in asked.items():
        try:
            told[node] = ray.get(answer, timeout=0)
        except GetTimeoutError:
            told[node] = [f"has not answered for {_ANSWER_SECONDS:g} s"]
        except RayTaskError as error:
            told[node] = [f"cannot look ({class_and_place(error.cause)})"]
        except RayError:
            pass  # it is gone meanwhile
    return told


def _wrong_there(node: str) -> "ray.remote_function.RemoteFunction":
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(wrong).options(scheduling_strategy=there)
