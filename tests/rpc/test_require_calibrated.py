"""Answers that no calibrator applies to: why they are raw, and that they can be refused."""

import grpc
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import scoring_pb2

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def activated(service, task):
    """A calibrator that answers for the test's own task, with four options."""
    request = pb.FitCalibratorRequest(
        model="models/aligned", task=task, method=pb.METHOD_CONSTANT, options=4, activate=True
    )
    [event] = service.calibration.FitCalibrator(request)
    return event.calibrator


@pytest.fixture
def batch(service, question, task):
    """The outcomes of questions with so many options each."""

    def batch(*counts, **settings):
        settings = {"model": "models/aligned", "task": task, **settings}
        questions = [question(options=count) for count in counts]
        request = scoring_pb2.BatchScoreRequest(settings=settings, questions=questions)
        return service.scoring.BatchScore(request).outcomes

    return batch


def test_an_answer_is_raw_unless_that_is_refused(service, question, task, refused):
    answer = service.score(question(), task=task)
    assert not answer.calibrated
    assert f"no calibrator is active for task {task!r}, 4 options" in answer.raw_because
    assert "reading 'paren'" in answer.raw_because
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        service.score(question(), task=task, require_calibrated=True)


def test_a_calibrated_answer_is_none_of_it(service, question, task, activated):
    answer = service.score(question(), task=task, require_calibrated=True, min_confidence=0.5)
    assert answer.calibrator == activated.name
    assert answer.raw_because == ""


def test_a_threshold_is_for_calibrated_confidences(service, question, task, refused):
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        service.score(question(), task=task, min_confidence=0.5)
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        service.score(question(), task=task, min_confidence=0.5, require_calibrated=False)


def test_each_question_of_a_batch_is_refused_by_itself(batch, activated, details):
    calibrated, other = batch(4, 3, require_calibrated=True)
    assert calibrated.answer.calibrator == activated.name
    assert details(other.error)["reason"] == "NOT_CALIBRATED"
    assert "3 options" in other.error.message
    assert [each.WhichOneof("outcome") for each in batch(4, 3)] == ["answer", "answer"]


def test_what_is_near_is_named(service, question, task, activated, batch):
    """A misspelt task, another number of options, another reading."""
    near = f"task {task!r}, 4 options, reading 'paren'"
    misspelt = service.score(question(), task=task[:-1])
    assert near in misspelt.raw_because
    [fewer] = batch(3)
    assert near in fewer.answer.raw_because
    letter = service.score(question(), task=task, reading={"format": "FORMAT_LETTER"})
    assert near in letter.raw_because


@pytest.mark.parametrize("said", [None, True, False])
def test_the_configuration_decides_where_a_request_does_not(start_service, question, refused, said):
    service = start_service(require_calibrated=True)
    if said is False:
        assert not service.score(question(), require_calibrated=said).calibrated
        return
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        service.score(question(), require_calibrated=said)
