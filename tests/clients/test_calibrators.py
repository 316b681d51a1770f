"""Calibrators in both clients: any number of options, more than a message, damaged records."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import numpy as np
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from typer.testing import CliRunner

from trueodds import (
    Client,
    DamagedCalibratorWarning,
    Example,
    FailedPrecondition,
    InvalidRequest,
    Method,
    NotFound,
    Question,
    Scores,
    Unavailable,
)
from trueodds.cli.main import app
from trueodds.v1 import calibration_pb2_grpc


def scores(count, options=4):
    rng = np.random.default_rng(count)
    return [
        Scores(row.tolist(), int(rng.integers(options)))
        for row in rng.normal(size=(count, options))
    ]


@pytest.fixture
def damaged(start_service, connect, tmp_path):
    """A service and client, a whole calibrator, and one above it that was damaged meanwhile."""
    address = start_service().app.address
    with Client(address) as first:
        asked = {"model": "aligned", "method": Method.CONSTANT, "options": 4, "activate": True}
        whole, broken = (first.fit(temperature=t, **asked).name for t in (2.0, 3.0))
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as behind, behind:
        behind.execute(
            "UPDATE calibrators SET metrics = '{' WHERE id = ?", [broken.rpartition("/")[2]]
        )
    # One that starts now has not read it whole.
    address = start_service().app.address
    return address, connect(address), whole, broken


def test_one_temperature_for_any_number_of_options(client, task):
    """Of rows of three and four scores, twice as sharp as the answers drawn from them."""
    rng = np.random.default_rng(2)
    rows = [rng.normal(size=3 + number % 2) for number in range(400)]
    answers = [int(rng.choice(len(row), p=np.exp(row) / np.exp(row).sum())) for row in rows]
    items = [Scores((2 * row).tolist(), answer) for row, answer in zip(rows, answers, strict=True)]
    asked = {"model": "aligned", "task": task, "method": Method.TEMPERATURE}
    with pytest.raises(InvalidRequest) as caught:
        client.fit(items, **asked)
    assert caught.value.field == "scores.items[1].logprobs"
    fitted = client.fit(items, any_options=True, activate=True, **asked)
    assert (fitted.options, fitted.active) == (0, True)
    assert fitted.temperature == pytest.approx(2, rel=0.3)
    assert client.evaluate(fitted.name, items).items == 400
    outcomes = client.calibrate(
        [[-1.0, -2.0], [-1.0, -2.0, -3.0, -4.0, -5.0]], model="aligned", task=task
    )
    assert [outcome.calibrator for outcome in outcomes] == [fitted.name] * 2
    assert [len(outcome.probabilities) for outcome in outcomes] == [2, 5]


def test_a_fit_and_an_evaluation_of_more_than_a_message(start_service, connect, monkeypatch):
    monkeypatch.setattr("trueodds._convert.parts.BATCH_BYTES", 2**18)
    client = connect(start_service(limits={"max_message_mib": 1}).app.address)
    fitted = client.fit(scores(1100, options=128), model="aligned", method=Method.TEMPERATURE)
    assert (fitted.items, fitted.options) == (1100, 128)
    constant = client.fit(model="aligned", method=Method.CONSTANT, options=2)
    long = [Example(Question(f"{n}?", ["a", "b"], passage="x " * 2**10), n % 2) for n in range(600)]
    report = client.evaluate(constant.name, long)
    assert report.items == 600


def test_what_is_wrong_in_a_later_part_is_named_by_its_place(client, monkeypatch):
    monkeypatch.setattr("trueodds._convert.parts.BATCH_BYTES", 2**10)
    items = [*scores(300), Scores([0.0, float("nan"), 0.0, 0.0], 1)]
    with pytest.raises(InvalidRequest) as caught:
        client.fit(items, model="aligned", method=Method.TEMPERATURE)
    assert caught.value.field == "scores.items[300].logprobs"


def test_rows_in_messages_of_as_many_as_the_server_takes(start_service, connect):
    client = connect(start_service(limits={"max_items": 2}).app.address)
    fitted = client.fit(model="aligned", method=Method.CONSTANT, options=2)
    assert len(client.calibrate([[0.0, -1.0]] * 5, name=fitted.name)) == 5


def test_probabilities_are_refused_unless_they_are_meant(client, task):
    fitted = client.fit(model="aligned", task=task, method=Method.IDENTITY, options=2)
    with pytest.raises(InvalidRequest) as caught:
        client.calibrate([[0.25, 0.75]], name=fitted.name)
    assert caught.value.reason == "SCORES_ARE_PROBABILITIES"
    [outcome] = client.calibrate([[0.25, 0.75]], name=fitted.name, allow_probabilities=True)
    assert outcome.confidence == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_a_damaged_calibrator_is_told_rolled_back_and_deleted(damaged):
    _, client, whole, broken = damaged
    with pytest.warns(DamagedCalibratorWarning, match=f"{broken} is active and damaged"):
        assert [each.name for each in client.calibrators("aligned")] == [whole]
    with pytest.raises(FailedPrecondition) as caught:
        client.calibrate([[0.0, -1.0, -2.0, -3.0]], model="aligned")
    assert caught.value.reason == "CALIBRATOR_DAMAGED"
    assert client.rollback(broken.rpartition("/")[2]).name == whole
    [outcome] = client.calibrate([[0.0, -1.0, -2.0, -3.0]], model="aligned")
    assert outcome.calibrator == whole
    client.delete(broken)
    with pytest.raises(NotFound):
        client.delete(broken)
    assert [each.name for each in client.calibrators("aligned")] == [whole]


def test_the_command_tells_of_a_damaged_one(damaged):
    address, _, whole, broken = damaged
    told = CliRunner().invoke(app, ["calibrators", "list", "aligned", "--server", address])
    assert told.exit_code == 0
    assert f"warning: {broken} is active and damaged" in told.stderr
    assert whole.rpartition("/")[2] in told.stdout
    undone = CliRunner().invoke(app, ["calibrators", "rollback", broken, "--server", address])
    assert undone.exit_code == 0


def test_the_command_fits_for_any_number_of_options(service, task):
    asked = ["fit", "aligned", "--task", task, "--method", "constant", "--any-options"]
    fitted = CliRunner().invoke(app, [*asked, "--server", service.app.address])
    assert fitted.exit_code == 0
    shown = CliRunner().invoke(
        app, ["calibrators", "show", fitted.stdout.strip(), "--server", service.app.address]
    )
    assert ["options", "any"] in [line.split() for line in shown.stdout.splitlines()]


class Dies(calibration_pb2_grpc.CalibrationServiceServicer):
    """A gateway that dies after each of its first calls, ``done`` or not yet, and has no answer."""

    def __init__(self, calibration, done):
        self._calibration, self._done = calibration, done
        self.dies, self.calls = 1, 0
        self.status, self.reason = grpc.StatusCode.UNAVAILABLE, ""

    def DeleteCalibrator(self, request, context):  # noqa: N802
        return self._answer(self._calibration.DeleteCalibrator, request, context)

    def RollbackCalibrator(self, request, context):  # noqa: N802
        return self._answer(self._calibration.RollbackCalibrator, request, context)

    def _answer(self, method, request, context):
        self.calls += 1
        dies = self.calls <= self.dies
        if dies and not self._done:
            self._die(context)
        try:
            response = method(request)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            return context.abort_with_status(rpc_status.to_status(status))
        if dies:
            self._die(context)
        return response

    def _die(self, context):
        if not self.reason:
            context.abort(self.status, "gone")
        said = Any()
        said.Pack(ErrorInfo(reason=self.reason, domain="trueodds"))
        gone = Status(code=self.status.value[0], message="gone", details=[said])
        context.abort_with_status(rpc_status.to_status(gone))


@pytest.fixture
def dying(service):
    """Starts a gateway that dies, ``done`` or not; ``address`` is where it listens."""
    servers = []

    def dying(*, done):
        dies = Dies(service.calibration, done)
        server = grpc.server(ThreadPoolExecutor(4))
        calibration_pb2_grpc.add_CalibrationServiceServicer_to_server(dies, server)
        dies.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
        return dies

    yield dying
    for server in servers:
        server.stop(None)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("reason", ["", "STOPPING"])
def test_a_deletion_whose_answer_was_lost_has_worked(client, connect, dying, task, done, reason):
    made = client.fit(model="aligned", task=task, method=Method.CONSTANT, options=2)
    gateway = dying(done=done)
    gateway.reason = reason
    connect(gateway.address).delete(made.name)
    assert gateway.calls == 2
    with pytest.raises(NotFound):
        client.calibrator(made.name)


def test_a_deletion_of_what_never_was_is_told(client, connect, dying, task):
    """Nobody was lost."""
    made = client.fit(model="aligned", task=task, method=Method.CONSTANT, options=2)
    client.delete(made.name)
    gateway = dying(done=False)
    gateway.dies = 0
    with pytest.raises(NotFound):
        connect(gateway.address).delete(made.name)
    assert gateway.calls == 1


def test_a_rollback_whose_answer_was_lost_says_so(client, connect, dying, task):
    asked = {"model": "aligned", "task": task, "method": Method.CONSTANT, "activate": True}
    first, second = (client.fit(options=2, temperature=t, **asked).name for t in (2.0, 3.0))
    gateway = dying(done=True)
    with pytest.raises(FailedPrecondition, match="may have been taken back already") as caught:
        connect(gateway.address).rollback(second)
    assert caught.value.reason == "CALIBRATOR_NOT_ACTIVE"
    assert client.calibrator(first).active, "taken back once"
    with pytest.raises(FailedPrecondition) as caught:
        client.rollback(second)
    assert "already" not in str(caught.value), "nobody was lost"
    assert connect(dying(done=False).address).rollback(first) is None


@pytest.mark.parametrize("retries", [0, 2])
def test_a_deletion_is_repeated_as_often_as_other_calls(connect, dying, retries):
    gateway = dying(done=False)
    gateway.dies = 5
    with pytest.raises(Unavailable):
        connect(gateway.address, retries=retries).delete(f"models/aligned/calibrators/{0:016x}")
    assert gateway.calls == 1 + retries
