"""The Serve application: gateways, a directory, and a deployment of replicas for each model."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig

from trueodds_service.config import ModelSettings, Scaling, Settings
from trueodds_service.serving.capacity import capacity
from trueodds_service.serving.deployment_names import DIRECTORY, ENGINE, GATEWAY
from trueodds_service.serving.directory import Directory
from trueodds_service.serving.environment import DEFAULTS
from trueodds_service.serving.gateway import Gateway
from trueodds_service.serving.placement import default_gateways, place
from trueodds_service.serving.replica import Replica
from trueodds_service.serving.scaling import autoscaling, on_each_node
from trueodds_service.serving.splitting import concerned, split, told
from trueodds_service.serving.versions import of_engine, of_gateway, versioned
from trueodds_service.serving.weights import pinned

# Nothing of each call: everybody asks the directory once a second.
LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)
# Calls at once to the directory, which answers each at once.
_DIRECTORY_CALLS = 1000
_HIDDEN: dict[str, Any] = {
    # The processes of a Ray that others have started do not have it from theirs.
    "ray_actor_options": {"num_cpus": 0, "runtime_env": {"env_vars": DEFAULTS}},
    "logging_config": LOGGING,
}

# How long a replica may take to end: the gateway and then its engines let requests under way
# finish first, which Serve does not know of.
_DRAINING: dict[str, Any] = {
    "graceful_shutdown_timeout_s": 20,
    "graceful_shutdown_wait_loop_s": 0.2,
}
# In a rollout a new replica comes before an old one leaves, if it needs no room of its own.
_SIDE_BY_SIDE = {"max_surge_percent": 100}


def application(settings: Settings, sockets: Path | None) -> serve.Application:
    """``sockets`` is a folder for the connections of a service on one node, of this user alone.

    Without, it is for a cluster: its processes reach each other between nodes, too, and each node
    has its gateways, also one that comes later. Raises ConfigError when the models want more GPUs
    than Ray has, or one is not on the hub.
    """
    # All processes are to have the same commit, also those that start later.
    settings = pinned(settings)
    # An adapter runs in the engine of its base.
    bases = [model for model in settings.models if model.base is None]
    models = _placed(bases, of_cluster=sockets is None)
    directory = versioned(
        serve.deployment(
            Directory, name=DIRECTORY, max_ongoing_requests=_DIRECTORY_CALLS, **_HIDDEN, **_DRAINING
        ),
        "1",
    ).bind()
    engines = []
    for model in models:
        adapters = [other for other in settings.models if other.base == model.name]
        folders = {each.name: each.adapter for each in adapters if each.adapter is not None}
        engine = versioned(_engine(model), of_engine(model, adapters))
        engines.append(engine.bind(model, folders, sockets, directory, settings.tracing))
    gateways = gateways_of_a_node(settings)
    settings = settings.model_copy(update={"gateways": gateways})
    placed: dict[str, Any] = {"num_replicas": gateways, **_SIDE_BY_SIDE}
    if sockets is None:
        placed = {
            "autoscaling_config": on_each_node(gateways, len(gpus_by_node())),
            "max_replicas_per_node": gateways,
        }
    gateway = serve.deployment(Gateway, name=GATEWAY, **placed, **_HIDDEN, **_DRAINING)
    version = of_gateway(settings)
    return versioned(gateway, version).bind(settings, directory, engines, sockets)


def _placed(models: Sequence[ModelSettings], *, of_cluster: bool) -> tuple[ModelSettings, ...]:
    """The models with what they get; prints it of those that may share a GPU. Raises
    ConfigError.
    """
    gpus = gpus_by_node()
    placed = place(models, gpus)
    sharing = concerned(models, placed)
    if not sharing:
        return placed
    known = capacity(sharing, of_cluster=of_cluster)
    placed = split(models, placed, gpus, known)
    for line in told(concerned(models, placed), known):
        print(line, flush=True)
    return placed


def gateways_of_a_node(settings: Settings) -> int:
    """As many as are set, or as the node with the most GPUs keeps busy."""
    return settings.gateways or default_gateways(max(gpus_by_node(), default=0))


def gpus_by_node() -> list[int]:
    """How many GPUs Ray has on each node."""
    return [int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]]


def _engine(model: ModelSettings) -> serve.Deployment:
    engine = model.engine
    gpus = engine.gpus or 0.0
    replicas = engine.replicas or Scaling(max=1)
    scaled: dict[str, Any] = {"num_replicas": replicas.min}
    if replicas.min < replicas.max:
        scaled = {"autoscaling_config": autoscaling(replicas, engine.max_sequences)}
    if not gpus:
        scaled |= _SIDE_BY_SIDE
    environment = DEFAULTS if gpus else {**DEFAULTS, **_threads()}
    return serve.deployment(
        Replica,
        name=f"{ENGINE}{model.name}",
        logging_config=LOGGING,
        ray_actor_options={
            "num_cpus": 0,
            "num_gpus": gpus,
            "runtime_env": {"env_vars": environment},
        },
        health_check_period_s=5,
        **scaled,
        **_DRAINING,
    )


def _threads() -> dict[str, str]:
    """As many threads as there are cores, for an engine that computes on a CPU: Ray would give it
    one. The operator's own number wins.
    """
    name = "OMP_NUM_THREADS"
    return {name: os.environ.get(name) or str(len(os.sched_getaffinity(0)))}
