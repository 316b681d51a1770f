"""The service on this machine: Ray is started for it and stopped with it."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray._private import worker as ray_worker
from ray.exceptions import RayError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import DeploymentStatus, LoggingConfig

from trueodds_service.config import ModelSettings, Scaling, Settings, VllmSettings
from trueodds_service.engine.link.keys import Keys
from trueodds_service.errors import StartError, class_and_place
from trueodds_service.serving.directory import Directory, Report
from trueodds_service.serving.gateway import Gateway
from trueodds_service.serving.placement import default_gateways, place
from trueodds_service.serving.progress import States, together
from trueodds_service.serving.reaper import reaped
from trueodds_service.serving.replica import Replica
from trueodds_service.serving.scaling import autoscaling

_log = logging.getLogger(__name__)

_APP = "trueodds"
_GATEWAY, _DIRECTORY, _ENGINE = "gateway", "directory", "engine-"
_ATTEMPTS = 2
_ANSWER_SECONDS = 5.0
# Nothing of each call: everybody asks the directory once a second.
_LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)
_PAUSE_SECONDS = 0.1
# Calls at once to the directory, which answers each at once.
_DIRECTORY_CALLS = 1000
# Prompts that keep an engine without steps busy.
_FAKE_PROMPTS = 1000
_HIDDEN: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0}, "logging_config": _LOGGING}
_OBJECT_STORE_BYTES = 128 * 2**20

# How long a replica may take to end: the gateway and then its engines let requests under way
# finish first, which Serve does not know of.
_DRAINING: dict[str, Any] = {
    "graceful_shutdown_timeout_s": 20,
    "graceful_shutdown_wait_loop_s": 0.2,
}


def application(settings: Settings, sockets: Path) -> serve.Application:
    """The Serve application: gateways, a directory, and a deployment of replicas for each model
    with weights.

    ``sockets`` is a folder for their connections, of this user alone. Raises ConfigError when
    the models want more GPUs than Ray has.
    """
    # An adapter runs in the engine of its base.
    bases = [model for model in settings.models if model.base is None]
    models = place(bases, _gpus())
    keys = Keys.make() if len(ray.nodes()) > 1 else None
    directory = serve.deployment(
        Directory, name=_DIRECTORY, max_ongoing_requests=_DIRECTORY_CALLS, **_HIDDEN, **_DRAINING
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
        Gateway, name=_GATEWAY, num_replicas=settings.gateways, **_HIDDEN, **_DRAINING
    )
    return gateway.bind(settings, directory, engines, keys)


def _gpus() -> int:
    return int(ray.cluster_resources().get("GPU", 0))


@contextmanager
def serving(settings: Settings) -> "Iterator[Running]":
    """Runs the service. It listens, and engines may still load.

    On leaving, everything that was started is stopped, requests under way after a grace.
    """
    with reaped() as sockets, _serving(settings, sockets) as running:
        yield running


@contextmanager
def _serving(settings: Settings, sockets: Path) -> "Iterator[Running]":
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        session = _start_ray()
        gateways = settings.gateways or default_gateways(_gpus())
        settings = settings.model_copy(update={"gateways": gateways})
        serve.run_many(
            [serve.RunTarget(application(settings, sockets), name=_APP, route_prefix=None)],
            wait_for_applications_running=False,
        )
        try:
            yield Running(serve.get_deployment_handle(_DIRECTORY, _APP), gateways)
        finally:
            # This drains the replicas; Serve's own actors end with Ray.
            serve.delete(_APP)
    except StartError as error:
        if not ray.is_initialized():
            raise
        raise StartError(f"{error.message}\n  the logs of its processes: {session}/logs") from None
    finally:
        ray.shutdown()


def _silence_ray() -> None:
    """Ray prints paragraphs about each worker that is lost, and has no switch for them; what is
    lost and back, `trueodds serve` tells in a line.
    """
    setattr(ray_worker, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010 (not typed)


def _start_ray() -> str:
    """Starts Ray and Serve; the folder of their session. Raises StartError.

    They give their processes a fixed time to answer, which a busy machine may exceed: a second
    attempt finds their files in memory.
    """
    _silence_ray()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            context = ray.init(
                # Whatever other Ray runs here, or is named in the environment, is somebody else's.
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level="CRITICAL",
                object_store_memory=_OBJECT_STORE_BYTES,
            )
            serve.start(
                proxy_location=ProxyLocation.Disabled,
                logging_config=_LOGGING,
            )
            return str(context.address_info["session_dir"])
        except Exception as error:
            cause = _first_line(error)
            _log.debug("attempt %d to start Ray: %s", attempt, class_and_place(error))
            ray.shutdown()
    raise StartError(f"Ray did not start, the second time either: {cause}")


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


class Running:
    """The service while it runs, as seen from the process that has started it."""

    def __init__(self, directory: DeploymentHandle, gateways: int) -> None:
        """Waits until so many gateways listen. Raises StartError when they cannot come up."""
        self._directory = directory
        self._states: States = {}
        while len(reports := self._reports({})) < gateways:
            _failed_deployments()
            time.sleep(_PAUSE_SECONDS)
        self.address = reports[0].address

    def states(self) -> States:
        """Of each model its state and cause, as the gateways' health has them.

        Those of before while no gateway answers. Raises StartError when they cannot come up.
        """
        failures = {}
        if not self._states or any(state != "READY" for state, _ in self._states.values()):
            failures = _failed_deployments()
        reports = self._reports(failures)
        self._states = together([report.states for report in reports]) or self._states
        return self._states

    def _reports(self, failures: Mapping[str, str]) -> Sequence[Report]:
        """None where the directory does not answer: it is starting, or being replaced."""
        try:
            told = self._directory.gateways.remote(failures).result(timeout_s=_ANSWER_SECONDS)
        except (TimeoutError, RayError, RayServeException):
            return ()
        return tuple(told)


def _failed_deployments() -> dict[str, str]:
    """The models whose engines Serve cannot start, with the cause. Raises StartError if it cannot
    start the gateway.
    """
    failed = {}
    for name, deployment in serve.status().applications[_APP].deployments.items():
        if deployment.status_trigger != "REPLICA_STARTUP_FAILED" or not deployment.message:
            continue
        cause = _cause(deployment.message)
        if not name.startswith(_ENGINE):
            raise StartError(f"the service did not come up\n  {cause}")
        if deployment.status in (DeploymentStatus.DEPLOY_FAILED, DeploymentStatus.UNHEALTHY):
            failed[name.removeprefix(_ENGINE)] = cause
    return failed


def _cause(message: str) -> str:
    """The last error of the traces that Serve tells of a replica that did not start."""
    lines = [line for line in message.splitlines() if line.strip()]
    start = max(index for index, line in enumerate(lines) if not line.startswith(" "))
    return " ".join(line.strip() for line in lines[start:])


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
        name=f"{_ENGINE}{model.name}",
        logging_config=_LOGGING,
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
