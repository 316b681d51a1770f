"""A fit and an evaluation of more items than one message holds: parts, joined, within a bound."""

import threading
import time

import grpc
import numpy as np
import pytest
from tests.edge.test_metrics import samples

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.rpc.calibration import parts, servicer

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MIB = 2**20


def scores(count, seed=0, options=4):
    rng = np.random.default_rng(seed)
    return pb.FitScores(
        items=[
            pb.FitScore(logprobs=row, answer=int(rng.integers(options)))
            for row in rng.normal(size=(count, options))
        ]
    )


def first(task, **fields):
    return pb.FitCalibratorRequest(
        model="models/aligned", task=task, method=pb.METHOD_TEMPERATURE, **fields
    )


@pytest.fixture
def stream(service):
    """What the service makes of a fit's or an evaluation's parts."""

    def stream(*parts, on=service):
        if isinstance(parts[0], pb.FitCalibratorRequest):
            messages = (pb.StreamFitCalibratorRequest(part=part) for part in parts)
            return list(on.calibration.StreamFitCalibrator(messages))[-1].calibrator
        messages = (pb.StreamEvaluateCalibratorRequest(part=part) for part in parts)
        return list(on.calibration.StreamEvaluateCalibrator(messages))[-1].report

    return stream


def test_parts_are_the_message_that_they_would_have_been(service, task, stream):
    whole = scores(60)
    [event] = service.calibration.FitCalibrator(first(task, scores=whole))
    parts = [pb.FitScores(items=whole.items[start : start + 25]) for start in (0, 25, 50)]
    fits = [first(task, scores=parts[0])]
    fits += [pb.FitCalibratorRequest(scores=part) for part in parts[1:]]
    # The name is a hash of the content: the same items in the same order.
    assert stream(*fits).name == event.calibrator.name
    request = pb.EvaluateCalibratorRequest(name=event.calibrator.name, scores=whole)
    [evaluated] = service.calibration.EvaluateCalibrator(request)
    split = [pb.EvaluateCalibratorRequest(name=request.name, scores=parts[0])]
    split += [pb.EvaluateCalibratorRequest(scores=part) for part in parts[1:]]
    assert stream(*split) == evaluated.report


def test_questions_in_parts(task, stream, question):
    def items(*numbers):
        return [pb.FitQuestion(question=question(f"Question {n}?"), answer=n % 4) for n in numbers]

    calibrator = stream(
        first(task, questions=pb.FitQuestions(items=items(*range(4)))),
        pb.FitCalibratorRequest(questions=pb.FitQuestions(items=items(4, 5))),
    )
    assert calibrator.provenance.items == 6


def test_more_than_a_message_can_hold(start_service, task, stream):
    service = start_service(limits={"max_message_mib": 1})
    parts = [scores(3000, seed, options=32) for seed in range(3)]
    assert sum(part.ByteSize() for part in parts) > 2 * MIB
    fits = [first(task, scores=parts[0])]
    fits += [pb.FitCalibratorRequest(scores=part) for part in parts[1:]]
    assert stream(*fits, on=service).provenance.items == 9000


def test_all_parts_together_have_a_bound(start_service, task, stream, refused):
    service = start_service(limits={"max_fit_mib": 1})
    part = scores(3000, options=32)
    fits = [first(task, scores=part), pb.FitCalibratorRequest(scores=part)]
    with refused(INVALID, field="part") as caught:
        stream(*fits, on=service)
    assert "larger than 1 MiB" in caught.value.details()


LATER = {
    "another setting": {"task": "another", "scores": scores(1)},
    "another source": {"questions": pb.FitQuestions(items=[pb.FitQuestion(answer=1)])},
    "no source": {},
    "a setting of the source": {"scores": pb.FitScores(allow_probabilities=True)},
}


@pytest.mark.parametrize("fields", LATER.values(), ids=LATER)
def test_a_later_part_holds_items_alone(stream, task, refused, fields):
    with refused(INVALID, field="part"):
        stream(first(task, scores=scores(9)), pb.FitCalibratorRequest(**fields))


def test_no_part_is_no_request(service, refused):
    with refused(INVALID, field="part"):
        list(service.calibration.StreamFitCalibrator(iter(())))


def test_a_fit_whose_next_part_does_not_come_is_ended(service, task, refused, monkeypatch):
    monkeypatch.setattr(parts, "_PATIENCE_SECONDS", 0.2)
    goes_on = threading.Event()

    def messages():
        yield pb.StreamFitCalibratorRequest(part=first(task, scores=scores(10)))
        goes_on.wait(60)

    with refused(grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEADLINE"):
        list(service.calibration.StreamFitCalibrator(messages()))
    goes_on.set()


def test_who_leaves_while_a_fit_is_read_holds_its_bytes_and_no_thread_of_others(
    start_service, task, question, monkeypatch
):
    service = start_service()
    begun, goes_on = threading.Semaphore(0), threading.Event()
    parse = servicer.parse_fit

    def slow(*args):
        begun.release()
        goes_on.wait(60)
        return parse(*args)

    monkeypatch.setattr(servicer, "parse_fit", slow)
    # As many as the pool that all share has threads on a large machine.
    fits = [pb.StreamFitCalibratorRequest(part=first(task, scores=scores(10)))]
    calls = [service.calibration.StreamFitCalibrator(iter(fits)) for _ in range(40)]

    def held():
        return sum(samples(service.app.metrics.node(), "trueodds_stream_bytes").values())

    try:
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        for call in calls:
            call.cancel()
        # Long enough for a thread.
        answers = service.batch([question(text="word " * 100)] * 5)
        assert len(answers) == 5
        size = fits[0].part.ByteSize()
        await_until(lambda: held() == 2 * size)
    finally:
        goes_on.set()
    await_until(lambda: held() == 0)


def await_until(holds):
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_fit_may_not_be_larger_than_all_streams(start_service):
    with pytest.raises(ValueError, match="max_stream_mib is 1, and one fit may have max_fit_mib"):
        start_service(limits={"max_stream_mib": 1})
