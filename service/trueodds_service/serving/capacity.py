"""What is known of models, GPUs and cores before anything loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray

from trueodds_service.config import ModelSettings
from trueodds_service.serving.gpu_memory import smallest_gpu
from trueodds_service.serving.nodes import ask_each
from trueodds_service.serving.sizes import Size, size_of

# How long all nodes together may take to tell.
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of the nodes that have GPUs, and of the models."""

    gpu_bytes: int
    """Of the smallest GPU; 0 where it is not known."""
    cores: float
    """For each GPU, of the node that has the fewest."""
    sizes: Mapping[str, Size]
    """Of the models whose size is known, by name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one machine knows."""

    gpu_bytes: int | None
    sizes: Mapping[str, Size]


def capacity(models: Sequence[ModelSettings], *, of_cluster: bool) -> Capacity:
    """Of Ray's nodes with GPUs, of which there is one at least.

    Each node is asked where they are a cluster, and else this machine, the only one.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    if of_cluster:
        told = ask_each(look, models, seconds=_SECONDS)
        seen = [told.get(node["NodeManagerAddress"]) for node in nodes]
    else:
        seen = [look(models)]
    answers = [each for each in seen if isinstance(each, Seen)]
    all_told = len(answers) == len(seen)
    return Capacity(
        gpu_bytes=min(each.gpu_bytes or 0 for each in answers) if all_told else 0,
        cores=min(node["Resources"].get("CPU", 0) / node["Resources"]["GPU"] for node in nodes),
        sizes={name: size for each in answers for name, size in each.sizes.items()},
    )


def look(models: Sequence[ModelSettings]) -> Seen:
    """At the machine that this process is on."""
    sizes = {model.name: size_of(model) for model in models}
    return Seen(smallest_gpu(), {name: size for name, size in sizes.items() if size})
