"""The service on this machine: Ray is started for it and stopped with it."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import serve
from ray.serve.config import ProxyLocation
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, LoggingConfig

from trueodds_service.config import ModelSettings, Settings, VllmSettings
from trueodds_service.errors import ServiceError
from trueodds_service.serving.engines import EngineReplica
from trueodds_service.serving.gateway import Gateway
from trueodds_service.serving.placement import place

_APP = "trueodds"
_OBJECT_STORE_BYTES = 128 * 2**20

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's workers give way to every other program by default: on a loaded machine they starve.
    "RAY_worker_niceness": "0",
    # Nor is an engine killed because other programs have filled the machine's memory.
    "RAY_memory_monitor_refresh_ms": "0",
}

# How long a replica may take to end: the gateway and then its engines let requests under way
# finish first. Through Serve itself they only tell their addresses.
_DRAINING = {"graceful_shutdown_timeout_s": 20, "graceful_shutdown_wait_loop_s": 0.2}


class StartError(ServiceError):
    """The application did not come up."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="START_FAILED")


def application(settings: Settings, sockets: Path) -> serve.Application:
    """The Serve application: a gateway, and an engine deployment for each model with weights.

    ``sockets`` is a folder for their connections, of this user alone. Raises ConfigError when
    the models want more GPUs than Ray has.
    """
    # An adapter runs in the engine of its base.
    bases = [model for model in settings.models if model.base is None]
    models = place(bases, int(ray.cluster_resources().get("GPU", 0)))
    engines = {}
    for model in models:
        adapters = {
            other.name: other.adapter
            for other in settings.models
            if other.base == model.name and other.adapter is not None
        }
        engines[model.name] = [
            _engine(model, adapters, sockets, f"engine-{model.name}-{number}")
            for number in range(model.engine.processes)
        ]
    gateway = serve.deployment(
        Gateway,
        name="gateway",
        ray_actor_options={"num_cpus": 0},
        **_DRAINING,
    )
    return gateway.bind(settings, engines)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Runs the service; the value is the address where it listens. Engines may still load.

    On leaving, everything that was started is stopped, requests under way after a grace.
    """
    # Before Ray starts: its processes take their environment from this one.
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    context = ray.init(
        # Whatever other Ray runs here, or is named in the environment, is somebody else's.
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=_OBJECT_STORE_BYTES,
    )
    try:
        serve.start(
            proxy_location=ProxyLocation.Disabled,
            logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
        )
        with tempfile.TemporaryDirectory(prefix="trueodds-") as sockets:
            root = application(settings, Path(sockets))
            handles = serve.run_many(
                [serve.RunTarget(root, name=_APP, route_prefix=None)],
                wait_for_applications_running=False,
            )
            try:
                yield _address(handles[0])
            finally:
                # This drains the replicas; Serve's own actors end with Ray.
                serve.delete(_APP)
    except StartError as error:
        logs = f"{context.address_info['session_dir']}/logs"
        raise StartError(f"{error.message}\n  the logs of its processes: {logs}") from None
    finally:
        ray.shutdown()


def is_ready() -> bool:
    """Whether every engine answers. Raises StartError when a deployment cannot come up."""
    status = serve.status().applications[_APP]
    if status.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
        causes = [
            f"{name}: {_cause(deployment.message)}"
            for name, deployment in status.deployments.items()
            if deployment.message
        ]
        why = "\n  ".join(causes or [status.message])
        raise StartError(f"the service did not come up\n  {why}")
    return bool(status.status == ApplicationStatus.RUNNING)


def _cause(message: str) -> str:
    """The last error of the traces that Serve tells of a replica that did not start."""
    lines = [line for line in message.splitlines() if line.strip()]
    start = max(index for index, line in enumerate(lines) if not line.startswith(" "))
    return " ".join(line.strip() for line in lines[start:])


def _address(gateway: DeploymentHandle) -> str:
    call = gateway.address.remote()
    while True:
        try:
            return str(call.result(timeout_s=1.0))
        except TimeoutError:
            is_ready()


def _engine(
    model: ModelSettings, adapters: Mapping[str, Path], sockets: Path, name: str
) -> serve.Application:
    gpus = model.engine.gpus if isinstance(model.engine, VllmSettings) else 0.0
    deployment = serve.deployment(
        EngineReplica,
        name=name,
        ray_actor_options={
            "num_cpus": 0,
            "num_gpus": gpus,
            "runtime_env": {"env_vars": {} if gpus else _threads()},
        },
        health_check_period_s=5,
        **_DRAINING,
    )
    return deployment.bind(model, adapters, sockets)


def _threads() -> dict[str, str]:
    """As many threads as there are cores, for an engine that computes on a CPU: Ray would give it
    one. The operator's own number wins.
    """
    name = "OMP_NUM_THREADS"
    return {name: os.environ.get(name) or str(len(os.sched_getaffinity(0)))}
