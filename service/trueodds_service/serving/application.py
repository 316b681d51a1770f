"""The Serve application: gateways, a directory, and a deployment of replicas for each model."""

import os
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig

from trueodds_service.config import ModelSettings, Scaling, Settings, VllmSettings
from trueodds_service.engine.link.keys import Keys
from trueodds_service.serving.directory import Directory
from trueodds_service.serving.gateway import Gateway
from trueodds_service.serving.names import DIRECTORY, ENGINE, GATEWAY
from trueodds_service.serving.placement import place
from trueodds_service.serving.replica import Replica
from trueodds_service.serving.scaling import autoscaling

# Nothing of each call: everybody asks the directory once a second.
LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)
# Calls at once to the directory, which answers each at once.
_DIRECTORY_CALLS = 1000
# Prompts that keep an engine without steps busy.
_FAKE_PROMPTS = 1000
_HIDDEN: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0}, "logging_config": LOGGING}

# How long a replica may take to end: the gateway and then its engines let requests under way
# finish first, which Serve does not know of.
_DRAINING: dict[str, Any] = {
    "graceful_shutdown_timeout_s": 20,
    "graceful_shutdown_wait_loop_s": 0.2,
}


def application(settings: Settings, sockets: Path) -> serve.Application:
    """``sockets`` is a folder for their connections, of this user alone. Raises ConfigError when
    the models want more GPUs than Ray has.
    """
    # An adapter runs in the engine of its base.
    bases = [model for model in settings.models if model.base is None]
    models = place(bases, gpus_by_node())
    keys = Keys.make() if len(ray.nodes()) > 1 else None
    directory = serve.deployment(
        Directory, name=DIRECTORY, max_ongoing_requests=_DIRECTORY_CALLS, **_HIDDEN, **_DRAINING
    ).bind()
    engines = []
    for model in models:
        adapters = {
            other.name: other.adapter
            for other in settings.models
            if other.base == model.name and other.adapter is not None
        }
        engines.append(_engine(model).bind(model, adapters, sockets, directory, keys))
    gateway = serve.deployment(
        Gateway, name=GATEWAY, num_replicas=settings.gateways, **_HIDDEN, **_DRAINING
    )
    return gateway.bind(settings, directory, engines, keys)


def gpus_by_node() -> list[int]:
    """How many GPUs Ray has on each node."""
    return [int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]]


def _engine(model: ModelSettings) -> serve.Deployment:
    engine = model.engine
    gpus = (engine.gpus or 0.0) if isinstance(engine, VllmSettings) else 0.0
    replicas = engine.replicas or Scaling(max=1)
    scaled: dict[str, Any] = {"num_replicas": replicas.min}
    if replicas.min < replicas.max:
        prompts = engine.max_sequences if isinstance(engine, VllmSettings) else _FAKE_PROMPTS
        scaled = {"autoscaling_config": autoscaling(replicas.min, replicas.max, prompts)}
    return serve.deployment(
        Replica,
        name=f"{ENGINE}{model.name}",
        logging_config=LOGGING,
        ray_actor_options={
            "num_cpus": 0,
            "num_gpus": gpus,
            "runtime_env": {"env_vars": {} if gpus else _threads()},
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
