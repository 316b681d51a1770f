"""The service while it runs, as seen from the process that has started it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentDetails,
    DeploymentStatus,
)

from trueodds_service.config import Settings
from trueodds_service.errors import StartError
from trueodds_service.serving.application import application, gateways_of_a_node, gpus_by_node
from trueodds_service.serving.deployment_names import APP, DIRECTORY, ENGINE
from trueodds_service.serving.directory import GatewayReport
from trueodds_service.serving.progress import States, together

_PAUSE_SECONDS = 0.1
_ANSWER_SECONDS = 5.0
# The directory, which the gateways tell that they are there, may be replaced meanwhile.
_MISSED_SECONDS = 10.0
# By then Serve has tried to replace the gateways many times.
_GONE_SECONDS = 120.0
# Ray's error of a process that was killed, while it started: it has not told a cause.
_DIED = "ActorDiedError"


@contextmanager
def deployed(settings: Settings, sockets: Path | None) -> "Iterator[Running]":
    """Runs the application on the Ray that this process is connected to; ``sockets`` as there.

    On leaving, it is deleted: its replicas let their calls end.
    """

    def deploy(settings: Settings) -> None:
        target = serve.RunTarget(application(settings, sockets), name=APP, route_prefix=None)
        serve.run_many([target], wait_for_applications_running=False)

    deploy(settings)
    gateways = gateways_of_a_node(settings) * (len(gpus_by_node()) if sockets is None else 1)
    try:
        yield Running(serve.get_deployment_handle(DIRECTORY, APP), gateways, deploy)
    finally:
        serve.delete(APP)


class Running:
    """What the gateways tell of the models, for as long as there are any."""

    def __init__(
        self,
        directory: DeploymentHandle,
        gateways: int,
        deploy: Callable[[Settings], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Waits until ``gateways`` gateways listen. Raises StartError when they cannot come up."""
        self._directory = directory
        self._deploy = deploy
        self._clock = clock
        self._states: States = {}
        while len(reports := self._reports({})) < gateways:
            _, faults = _failed_deployments()
            if faults:
                raise StartError("\n  ".join(["the service did not come up", *faults]))
            time.sleep(_PAUSE_SECONDS)
        self.address = ", ".join(sorted({report.address for report in reports}))
        self._heard = clock()

    def states(self) -> States:
        """Each model's state and cause, as the gateways' health has them.

        While no gateway answers, first those of before, then all are lost, and at last it raises
        StartError.
        """
        failures: Mapping[str, str] = {}
        if not self._states or any(state != "READY" for state, _ in self._states.values()):
            failures, _ = _failed_deployments()
        if reports := self._reports(failures):
            self._heard = self._clock()
            self._states = together([report.states for report in reports])
        elif self._clock() - self._heard > _GONE_SECONDS:
            _, faults = _failed_deployments()
            gone = f"no gateway has answered for {_GONE_SECONDS:.0f} seconds"
            raise StartError("\n  ".join([f"the service has ended: {gone}", *faults]))
        elif self._clock() - self._heard > _MISSED_SECONDS:
            lost = ("LOST", "no gateway answers; they are being replaced")
            self._states = dict.fromkeys(self._states, lost)
        return self._states

    @property
    def is_answering(self) -> bool:
        """Whether a gateway has answered lately: one that is replaced meanwhile is no fault."""
        return self._clock() - self._heard <= _MISSED_SECONDS

    def update(self, settings: Settings) -> None:
        """Replaces gateways and engines one after the other by those of ``settings``, which listen
        at the same address. Raises ConfigError, and nothing is replaced.
        """
        self._deploy(settings)

    @property
    def is_updating(self) -> bool:
        """Whether something is still to be replaced, as far as anybody knows."""
        return _status() in (ApplicationStatus.DEPLOYING, None)

    @property
    def update_failed(self) -> bool:
        """Whether something of what was to come has not come up."""
        return bool(_status() == ApplicationStatus.DEPLOY_FAILED)

    def _reports(self, failures: Mapping[str, str]) -> Sequence[GatewayReport]:
        """None where the directory does not answer: it is starting, or being replaced."""
        try:
            told = self._directory.gateways.remote(failures).result(timeout_s=_ANSWER_SECONDS)
        except (TimeoutError, RayError, RayServeException):
            return ()
        return tuple(told)


def _failed_deployments() -> tuple[dict[str, str], list[str]]:
    """The models whose engines Serve cannot start, with the cause, and why it cannot start what
    all of them need.
    """
    failed, faults = {}, []
    for name, deployment in _deployments().items():
        if deployment.status_trigger != "REPLICA_STARTUP_FAILED" or not deployment.message:
            continue
        cause = _cause(deployment.message)
        if not name.startswith(ENGINE):
            faults.append(cause)
        elif deployment.status == DeploymentStatus.DEPLOY_FAILED or (
            # Where one has been up, Serve starts another: a start that was killed says nothing of
            # the next.
            deployment.status == DeploymentStatus.UNHEALTHY and _DIED not in cause
        ):
            failed[name.removeprefix(ENGINE)] = cause
    return failed, faults


def _status() -> ApplicationStatus | None:
    application = _CONTROLLER.application()
    return None if application is None else application.status


def _deployments() -> Mapping[str, DeploymentDetails]:
    application = _CONTROLLER.application()
    return {} if application is None else dict(application.deployments)


class _Controller:
    """Serve's controller, asked in a thread: where it hangs, Ray would wait for ever."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[ApplicationStatusOverview | None] = SimpleQueue()
        self._is_asked = False

    def application(self) -> ApplicationStatusOverview | None:
        """None where it does not answer: Ray is starting it anew, it hangs, or all has ended."""
        if not self._is_asked:
            threading.Thread(target=self._ask, name="controller", daemon=True).start()
        self._is_asked = True
        try:
            answer = self._answers.get(timeout=_ANSWER_SECONDS)
        except Empty:  # it is still asked
            return None
        self._is_asked = False
        return answer

    def _ask(self) -> None:
        answer = None
        try:
            answer = serve.status().applications[APP]
        except (RayError, RayServeException, KeyError):
            pass
        finally:
            self._answers.put(answer)


_CONTROLLER = _Controller()


def _cause(message: str) -> str:
    """The last error of the traces that Serve tells of a replica that did not start."""
    lines = [line for line in message.splitlines() if line.strip()]
    start = max(index for index, line in enumerate(lines) if not line.startswith(" "))
    return " ".join(line.strip() for line in lines[start:])
