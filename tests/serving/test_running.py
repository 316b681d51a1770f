"""What is known of the service while it runs, with doubles of Serve and of the directory."""

import threading
from types import SimpleNamespace

import pytest
from ray.exceptions import RayActorError
from tests.clock import Clock

from trueodds_service.errors import StartError
from trueodds_service.serving import running
from trueodds_service.serving.directory import GatewayReport
from trueodds_service.serving.running import Running


def deployments(**found):
    statuses = {
        name: SimpleNamespace(status=status, status_trigger=trigger, message=message)
        for name, (status, trigger, message) in found.items()
    }
    application = SimpleNamespace(deployments=statuses)
    return lambda: SimpleNamespace(applications={"trueodds": application})


DIED = "ActorDiedError()\n"
TRACE = "Traceback:\n  File x\nRuntimeError: no memory\n  left\n"


def test_only_engines_that_serve_has_given_up_have_failed(monkeypatch):
    up = running.DeploymentStatus
    found = {
        "engine-a-b": (up.DEPLOY_FAILED, "REPLICA_STARTUP_FAILED", TRACE),
        "engine-c": (up.UNHEALTHY, "REPLICA_STARTUP_FAILED", TRACE),
        "engine-d": (up.UPDATING, "REPLICA_STARTUP_FAILED", TRACE),
        "engine-e": (up.UNHEALTHY, "HEALTH_CHECK_FAILED", TRACE),
        "engine-f": (up.UNHEALTHY, "REPLICA_STARTUP_FAILED", ""),
        "engine-killed-while-it-was-replaced": (up.UNHEALTHY, "REPLICA_STARTUP_FAILED", DIED),
        "engine-g": (up.DEPLOY_FAILED, "REPLICA_STARTUP_FAILED", DIED),
        "gateway": (up.HEALTHY, "CONFIG_UPDATE_COMPLETED", TRACE),
    }
    monkeypatch.setattr(running.serve, "status", deployments(**found))
    cause = "RuntimeError: no memory left"
    failed = {"a-b": cause, "c": cause, "g": "ActorDiedError()"}
    assert running._failed_deployments() == (failed, [])


@pytest.mark.parametrize("error", [RayActorError(), KeyError("trueodds")])
def test_while_serve_s_controller_is_replaced_nothing_has_failed(monkeypatch, error):
    def status():
        raise error

    monkeypatch.setattr(running.serve, "status", status)
    assert running._failed_deployments() == ({}, [])


def test_a_controller_that_hangs_is_asked_once_and_keeps_nobody_waiting(monkeypatch):
    hangs, asked = threading.Event(), []

    def status():
        asked.append(1)
        hangs.wait(60)
        return deployments()()

    monkeypatch.setattr(running.serve, "status", status)
    monkeypatch.setattr(running, "_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(running, "_CONTROLLER", running._Controller())
    service = Running(Asked(reports("READY")), 1, print)
    assert [service.is_updating for _ in range(3)] == [True] * 3, "nobody knows"
    assert len(asked) == 1
    hangs.set()
    monkeypatch.setattr(running, "_ANSWER_SECONDS", 60)
    assert running._failed_deployments() == ({}, [])


class Asked:
    """The directory's handle: each call takes what is next in ``answers``."""

    def __init__(self, *answers):
        self._answers = iter(answers)
        self.failures = []
        self.gateways = SimpleNamespace(remote=self._next)

    def _next(self, failures):
        self.failures.append(failures)
        return SimpleNamespace(result=self._result)

    def _result(self, timeout_s):
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def reports(*states):
    return [
        GatewayReport(number, "[::1]:5", {"model": (state, "")})
        for number, state in enumerate(states)
    ]


@pytest.fixture
def serve_says(monkeypatch):
    """What Serve cannot start: models with the cause, and what all need."""
    monkeypatch.setattr(running, "_PAUSE_SECONDS", 0)

    def serve_says(failed=(), faults=()):
        monkeypatch.setattr(running, "_failed_deployments", lambda: (dict(failed), list(faults)))

    serve_says()
    return serve_says


def test_a_gateway_that_cannot_start_ends_the_service(serve_says):
    serve_says(faults=["RuntimeError: no memory left"])
    with pytest.raises(StartError, match="did not come up\n  RuntimeError: no memory left"):
        Running(Asked([]), 1, None)


def test_states_are_those_of_before_while_no_gateway_answers(serve_says):
    serve_says({"model": "no memory"})
    starting, ready = reports("STARTING", "READY"), reports("READY", "READY")
    # One of two gateways is not enough to begin with.
    told = TimeoutError(), starting[:1], starting, starting, TimeoutError(), [], ready, ready
    directory = Asked(*told)
    service = Running(directory, 2, None)
    assert service.address == "[::1]:5"
    found = [service.states()["model"][0] for _ in range(5)]
    assert found == ["STARTING"] * 3 + ["READY"] * 2
    # Serve is only asked for the cause while something is not ready.
    assert directory.failures == [{}] * 3 + [{"model": "no memory"}] * 4 + [{}]


def test_where_no_gateway_answers_for_long_it_says_so_and_at_last_ends(serve_says):
    ready, clock = reports("READY"), Clock()
    service = Running(Asked(ready, ready, [], [], ready, TimeoutError(), []), 1, None, clock)

    def after(seconds):
        clock.now += seconds
        return service.states()["model"]

    assert after(1) == ("READY", "")
    assert after(5) == ("READY", ""), "the directory may be replaced meanwhile"
    assert after(10) == ("LOST", "no gateway answers; they are being replaced")
    assert after(1) == ("READY", "")
    assert after(100)[0] == "LOST"
    serve_says(faults=["OperationalError: no table"])
    with pytest.raises(StartError) as caught:
        after(100)
    said = "the service has ended: no gateway has answered for 120 seconds"
    assert caught.value.message == f"{said}\n  OperationalError: no table"


def test_it_answers_as_long_as_a_gateway_has_lately(serve_says):
    ready, clock = reports("READY"), Clock()
    service = Running(Asked(ready, ready, [], [], ready), 1, None, clock)
    found = []
    for seconds in (0, 10, 1, 1):
        clock.now += seconds
        service.states()
        found.append(service.is_answering)
    assert found == [True, True, False, True]


def test_an_update_is_done_once_serve_has_replaced_everything(serve_says, monkeypatch):
    deployed = []
    service = Running(Asked(reports("READY")), 1, deployed.append)
    service.update("settings")
    assert deployed == ["settings"]
    status = running.ApplicationStatus
    found = iter([status.DEPLOYING, status.DEPLOYING, status.RUNNING])

    def said():
        application = SimpleNamespace(status=next(found))
        return SimpleNamespace(applications={"trueodds": application})

    monkeypatch.setattr(running.serve, "status", said)
    assert [service.is_updating for _ in range(3)] == [True, True, False]


def test_the_addresses_of_all_nodes_are_told(serve_says):
    told = [GatewayReport(number, f"10.0.0.{number % 2}:5", {}) for number in range(4)]
    assert Running(Asked(told), 4, None).address == "10.0.0.0:5, 10.0.0.1:5"
