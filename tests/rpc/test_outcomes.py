"""RecordOutcomes and GetDrift: receipts kept by the caller, outcomes late, again and corrected."""

import math
import random

import grpc
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.flows.receipts import seal_receipt
from trueodds_service.store.records import Scope

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
KIND = pb.SequentialTest


@pytest.fixture
def calibrator(service, task):
    """An active calibrator of the test's own task, for four options."""
    request = pb.FitCalibratorRequest(
        model="models/aligned",
        task=task,
        method=pb.METHOD_CONSTANT,
        temperature=2.0,
        options=4,
        activate=True,
        reading={"format": "FORMAT_LETTER"},
    )
    *_, event = service.calibration.FitCalibrator(request)
    return event.calibrator


@pytest.fixture
def answers(service, task, question):
    """Answers with receipts to so many questions of the test's own task."""

    def answers(count, on=service, **settings):
        texts = [question(f"Which one is it, number {place}?") for place in range(count)]
        settings = {"task": task, "format": "FORMAT_LETTER", "receipts": True, **settings}
        return [each.answer for each in on.batch(texts, **settings)]

    return answers


@pytest.fixture
def report(service):
    """Reports outcomes: pairs of a receipt and the right option, None where nobody knows."""

    def report(pairs, on=service):
        outcomes = [pb.ReportedOutcome(receipt=r, option=option) for r, option in pairs]
        return on.calibration.RecordOutcomes(pb.RecordOutcomesRequest(outcomes=outcomes))

    return report


def drift_of(calibrator, on, **fields):
    request = pb.GetDriftRequest(name=calibrator.name, **fields)
    return on.calibration.GetDrift(request).drift


def evidence(drift):
    return {each.kind: each for each in drift.tests}


def counts(response):
    return response.recorded, response.corrected, response.unchanged, len(response.errors)


def test_an_answer_has_a_receipt_where_it_is_asked_for(service, question):
    assert not service.score(question()).receipt
    one, two = (service.score(question(), receipts=True).receipt for _ in range(2))
    assert one
    assert one != two, "each answer is one of its own"


def test_a_receipt_holds_nothing_of_the_question(service, question):
    asked = question("xylophone", labels=("zither", "b", "c", "d"))
    receipt = service.score(asked, receipts=True, format="FORMAT_TEXT").receipt
    assert b"xylophone" not in receipt
    assert b"zither" not in receipt


def test_outcomes_are_kept_once_corrected_and_counted(service, calibrator, answers, report):
    receipts = [answer.receipt for answer in answers(4)]
    first = [(receipts[0], 1), (receipts[1], 2), (receipts[2], None)]
    assert counts(report(first)) == (3, 0, 0, 0)
    assert counts(report(first)) == (0, 0, 3, 0)
    assert counts(report([(receipts[1], 0), (receipts[2], 3), (receipts[3], 0)])) == (1, 2, 0, 0)
    found = drift_of(calibrator, service)
    assert (found.outcomes, found.unknown) == (4, 0)


def test_of_one_answer_the_last_word_holds(service, calibrator, answers, report):
    [answer] = answers(1)
    assert counts(report([(answer.receipt, None), (answer.receipt, answer.choice)])) == (1, 0, 1, 0)
    found = drift_of(calibrator, service)
    assert (found.outcomes, found.unknown) == (1, 0)
    assert found.window.after.metrics["accuracy"].value == 1


def test_what_is_no_receipt_is_told_by_itself(service, calibrator, answers, report):
    good, spoiled = (answer.receipt for answer in answers(2))
    changed = spoiled[:40] + bytes([spoiled[40] ^ 1]) + spoiled[41:]
    response = report([(b"", 0), (good, 0), (changed, 0), (spoiled, 4), (b"x" * 1000, 0)])
    assert counts(response) == (1, 0, 0, 4)
    assert [each.index for each in response.errors] == [0, 2, 3, 4]
    assert {each.error.code for each in response.errors} == {INVALID.value[0]}
    assert response.errors[0].error.message.startswith("outcomes[0].receipt: is not a receipt")
    assert "with 4 options" in response.errors[2].error.message


def test_another_services_receipt_is_none_here(start_service, report, answers, tmp_path):
    one, two = (start_service(store=tmp_path / f"{name}.sqlite") for name in "ab")
    [answer] = answers(1, on=one)
    assert counts(report([(answer.receipt, 0)], on=two)) == (0, 0, 0, 1)
    assert counts(report([(answer.receipt, 0)], on=one)) == (1, 0, 0, 0)


def test_gateways_of_one_store_know_each_others_receipts(start_service, report, answers):
    one, two = start_service(), start_service()
    [answer] = answers(1, on=one)
    assert counts(report([(answer.receipt, 0)], on=two)) == (1, 0, 0, 0)
    assert counts(report([(answer.receipt, 0)], on=one)) == (0, 0, 1, 0)


def test_a_calibrator_without_outcomes_has_no_evidence(service, calibrator):
    found = drift_of(calibrator, service)
    assert found.calibrator.name == calibrator.name
    assert (found.outcomes, found.unknown) == (0, 0)
    assert not found.HasField("since_first")
    assert not found.HasField("window")
    assert {each.kind for each in found.tests} == {*KIND.Kind.values()} - {0}
    assert not any(each.alarm or each.log_evidence or each.alarm_at for each in found.tests)


@pytest.fixture
def played(start_service, run, report):
    """Reports that answers of a calibrator with confidence .9 were right so often."""

    def played(share, count=400, on=None):
        on = on or start_service()
        request = pb.FitCalibratorRequest(
            model="models/aligned", method=pb.METHOD_CONSTANT, temperature=2.0, options=2
        )
        *_, event = on.calibration.FitCalibrator(request)
        calibrator = event.calibrator
        key = run(on.app._outcomes.key())
        # The tenant without a name, in the order of the record's fields.
        scope = Scope("aligned", calibrator.scope.model_revision, "", "letter", 1, 2)
        name, chance = calibrator.name.split("/")[-1], random.Random(3)
        pairs = [
            (
                seal_receipt(key, scope, name, 0, [0.6, 0.4], [0.9, 0.1]),
                int(chance.random() >= share),
            )
            for _ in range(count)
        ]
        report(pairs, on=on)
        return drift_of(calibrator, on, window=100)

    return played


def test_a_broken_promise_raises_an_alarm(played):
    found = played(0.6)
    tests = evidence(found)
    assert found.outcomes == 400
    assert found.window.outcomes == 100
    for kind in (KIND.KIND_TOO_HIGH, KIND.KIND_MISCALIBRATED, KIND.KIND_WORSE_THAN_RAW):
        assert tests[kind].alarm, kind
        assert 0 < tests[kind].alarm_at < 400
        assert tests[kind].largest_log_evidence >= -math.log(tests[kind].alpha)
    assert not tests[KIND.KIND_TOO_LOW].alarm
    assert not tests[KIND.KIND_SHIFTED].alarm
    accuracy = found.window.after.metrics["accuracy"]
    assert accuracy.lower <= accuracy.value <= accuracy.upper
    assert found.since_first.after.metrics["confidence"].value == pytest.approx(0.9)
    assert found.since_first.before.metrics["confidence"].value == pytest.approx(0.6)


def test_a_kept_promise_raises_none(played):
    assert not any(each.alarm for each in played(0.9).tests)


@pytest.mark.parametrize("window", [-1, 10_001])
def test_an_impossible_window_is_refused(service, calibrator, refused, window):
    with refused(INVALID, field="window"):
        drift_of(calibrator, service, window=window)


def test_the_drift_of_no_calibrator(service, refused):
    with refused(NOT_FOUND):
        service.calibration.GetDrift(
            pb.GetDriftRequest(name="models/aligned/calibrators/0123456789abcdef")
        )


def test_no_outcome_is_no_request(service, refused):
    with refused(INVALID, field="outcomes"):
        service.calibration.RecordOutcomes(pb.RecordOutcomesRequest())


def test_a_task_stands_for_its_one_active_calibrator(service, calibrator, refused):
    def ask(**fields):
        return service.calibration.GetDrift(pb.GetDriftRequest(**fields)).drift.calibrator.name

    model, task = "models/aligned", calibrator.scope.task
    assert ask(model=model, task=task) == ask(name=calibrator.name) == calibrator.name
    with refused(NOT_FOUND, reason="CALIBRATOR_NOT_FOUND"):
        ask(model=model, task="another")
    two_options = pb.FitCalibratorRequest(
        model=model, task=task, method=pb.METHOD_IDENTITY, options=2, activate=True
    )
    *_, event = service.calibration.FitCalibrator(two_options)
    with refused(INVALID, field="name") as error:
        ask(model=model, task=task)
    assert all(each.name in error.value.details() for each in (calibrator, event.calibrator))
    with refused(INVALID, field="name"):
        ask(name=calibrator.name, task=task)
    with refused(INVALID, field="model"):
        ask(task=task)
