"""Calibrate: scores that the caller has, a calibrator by name or by scope, an outcome each."""

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import reading_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
LETTER = {"format": "FORMAT_LETTER"}
ROWS = ([-1.0, -3.0, -2.0], [0.5, 0.0, 4.0], [-1.0, -1.0, -np.inf])


@pytest.fixture
def constant(service, task):
    """Stores a calibrator of a temperature for three options of the test's own task."""

    def constant(temperature=2.0, on=service, **fields):
        request = pb.FitCalibratorRequest(
            **{
                "model": "models/aligned",
                "task": task,
                "method": pb.METHOD_CONSTANT,
                "temperature": temperature,
                "options": 3,
                **fields,
            }
        )
        [event] = on.calibration.FitCalibrator(request)
        return event.calibrator

    return constant


@pytest.fixture
def calibrate(service):
    """What the service makes of rows of scores."""

    def calibrate(*rows, on=service, **fields):
        items = [pb.OptionScores(logprobs=row) for row in rows or ROWS]
        return on.calibration.Calibrate(pb.CalibrateRequest(items=items, **fields))

    return calibrate


def softmax(row, temperature=1.0):
    powers = np.exp(np.array(row) / temperature)
    return powers / powers.sum()


def test_a_named_calibrator_is_applied_to_each_row(constant, calibrate):
    calibrator = constant(2.0)
    response = calibrate(name=calibrator.name)
    assert response.calibrator == calibrator.name
    for row, outcome in zip(ROWS, response.outcomes, strict=True):
        scores = outcome.scores
        assert scores.probabilities == pytest.approx(softmax(row))
        assert scores.calibrated_probabilities == pytest.approx(softmax(row, 2.0))
        assert scores.choice == np.argmax(row)
        assert scores.confidence == scores.probabilities[scores.choice]
        assert scores.calibrated_confidence == scores.calibrated_probabilities[scores.choice]


def test_the_choice_is_that_of_the_calibrated_probabilities(service, task, calibrate):
    """Taking off the mean of each label makes a choice of what is likelier than usual."""
    rows = [[-0.1, -2.0 - n / 10] for n in range(10)]
    request = pb.FitCalibratorRequest(
        model="models/aligned",
        task=task,
        method=pb.METHOD_IDENTITY,
        bias_correction=pb.BIAS_CORRECTION_BATCH,
        scores=pb.FitScores(items=[pb.FitScore(logprobs=row) for row in rows]),
    )
    [event] = service.calibration.FitCalibrator(request)
    assert not event.calibrator.keeps_choice
    outcomes = calibrate(*rows, name=event.calibrator.name).outcomes
    assert {outcome.scores.choice for outcome in outcomes} == {0, 1}
    for outcome in outcomes:
        scores = outcome.scores
        assert scores.choice == np.argmax(scores.calibrated_probabilities)
        assert scores.confidence == scores.probabilities[scores.choice]


def test_without_a_name_the_active_one_of_the_task_or_the_default(
    start_service, constant, calibrate, task, refused
):
    service = start_service()

    def applied(**fields):
        return calibrate(on=service, model="models/aligned", task=task, **fields).calibrator

    with refused(FAILED_PRECONDITION, reason="NO_CALIBRATOR"):
        applied()
    default = constant(on=service, task="", activate=True)
    assert applied() == default.name
    own = constant(3.0, on=service, activate=True)
    assert applied() == own.name
    with refused(FAILED_PRECONDITION, reason="NO_CALIBRATOR"):
        applied(reading=LETTER)
    letter = constant(on=service, activate=True, reading=LETTER)
    assert applied(reading=LETTER) == letter.name


def test_a_mismatch_is_refused(constant, calibrate, task, refused):
    name = constant().name
    assert calibrate(name=name, task=task, reading={"format": "FORMAT_PAREN"}).calibrator == name
    for wrong, fitted_for in (
        ({"task": "other"}, f"another task, {task!r}"),
        ({"reading": LETTER}, "another way of reading, 'paren', not 'letter'"),
    ):
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH") as error:
            calibrate(name=name, **wrong)
        assert error.value.details() == f"the calibrator was fitted for {fitted_for}"


def test_a_row_that_is_wrong_fails_alone(constant, calibrate, details):
    right = [-1.0, -2.0, -3.0]
    rows = {
        "nan": ([-1.0, np.nan, -1.0], "items[1].logprobs"),
        "infinite": ([-1.0, np.inf, -1.0], "items[2].logprobs"),
        "nothing": ([-np.inf] * 3, "items[3].logprobs"),
        "one": ([-1.0], "items[4].logprobs"),
    }
    wrong = [row for row, _ in rows.values()]
    first, *outcomes, others, last = calibrate(
        right, *wrong, [-1.0, -2.0], right, name=constant().name
    ).outcomes
    assert first == last
    assert first.HasField("scores")
    for outcome, (_, field) in zip(outcomes, rows.values(), strict=True):
        assert details(outcome.error)["field"] == field
    assert details(others.error)["reason"] == "SCOPE_MISMATCH"


def test_the_number_of_rows(start_service, constant, calibrate, refused):
    service = start_service(limits={"max_items": 2})
    name = constant(on=service).name
    assert len(calibrate(*ROWS[:2], on=service, name=name).outcomes) == 2
    with refused(INVALID, field="items"):
        calibrate(*ROWS, on=service, name=name)
    with refused(INVALID, field="items"):
        service.calibration.Calibrate(pb.CalibrateRequest(name=name))


RULES = {
    "a name or a model": ({}, "model"),
    "a resource name": ({"name": "models/aligned"}, "name"),
    "its own model": (
        {"name": f"models/aligned/calibrators/{'0' * 16}", "model": "models/base"},
        "model",
    ),
    "a printable task": ({"model": "models/aligned", "task": "\0"}, "task"),
    "a known format": (
        {"model": "models/aligned", "reading": reading_pb2.Reading(format=99)},
        "reading.format",
    ),
}


@pytest.mark.parametrize(("fields", "field"), RULES.values(), ids=RULES)
def test_a_request(calibrate, refused, fields, field):
    with refused(INVALID, field=field):
        calibrate(**fields)


def test_what_is_not_there(calibrate, refused):
    with refused(grpc.StatusCode.NOT_FOUND, reason="CALIBRATOR_NOT_FOUND"):
        calibrate(name=f"models/aligned/calibrators/{'0' * 16}")
    with refused(grpc.StatusCode.NOT_FOUND, reason="MODEL_NOT_FOUND"):
        calibrate(model="models/other")


class TestDelete:
    @staticmethod
    def delete(service, name):
        service.calibration.DeleteCalibrator(pb.DeleteCalibratorRequest(name=name))

    def test_a_deleted_calibrator_is_gone(self, service, constant, calibrate, refused):
        name = constant().name
        self.delete(service, name)
        for call in (lambda: calibrate(name=name), lambda: self.delete(service, name)):
            with refused(grpc.StatusCode.NOT_FOUND, reason="CALIBRATOR_NOT_FOUND"):
                call()

    def test_the_active_one_stays(self, service, constant, calibrate, refused):
        name = constant(activate=True).name
        with refused(FAILED_PRECONDITION, reason="CALIBRATOR_ACTIVE"):
            self.delete(service, name)
        assert calibrate(name=name).calibrator == name


def test_rows_that_are_probabilities_are_refused_unless_they_are_meant(
    constant, calibrate, refused
):
    name = constant().name
    rows = ([0.7, 0.2, 0.1], [0.1, 0.33, 0.57])
    with refused(INVALID, field="items[0].logprobs", reason="SCORES_ARE_PROBABILITIES"):
        calibrate(*rows, name=name)
    with refused(INVALID, field="items[1].logprobs", reason="SCORES_ARE_PROBABILITIES"):
        calibrate([np.nan] * 3, *rows, name=name)
    meant = calibrate(*rows, name=name, allow_probabilities=True).outcomes
    assert meant[0].scores.calibrated_probabilities == pytest.approx(softmax(rows[0], 2.0))
    assert len(calibrate(*rows, [-1.0, -2.0, -3.0], name=name).outcomes) == 3
