"""CheckCalibrator: do model and teacher disagree as at the fit, and what would be fitted now?"""

import grpc
import pytest
from tests.told import active, tell

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.flows import store_calls
from trueodds_service.store.checks import SqlCheckStore
from trueodds_service.store.errors import StoreUnavailable

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
KIND = pb.SequentialTest
LETTER = {"format": "FORMAT_LETTER"}
# Other logits than those of the model, so that the two choose as if by lot.
STRANGER = {"base": FakeEngine(seed=8)}


@pytest.fixture
def asked(question):
    """Questions of their own for each ``series``."""

    def asked(count, series="fresh", options=2):
        texts = [f"Which one is it, {series} {place}?" for place in range(count)]
        questions = [question(text, options=options) for text in texts]
        return pb.FitQuestions(items=[pb.FitQuestion(question=each) for each in questions])

    return asked


@pytest.fixture
def fitted(asked):
    """A calibrator that a teacher's questions have made, active; its message."""

    def fitted(service, count=100, **fields):
        request = pb.FitCalibratorRequest(
            model="models/aligned",
            method=pb.METHOD_TEACHER_KL,
            questions=asked(count, "of the fit"),
            reading=LETTER,
            activate=True,
            **fields,
        )
        *_, event = service.calibration.FitCalibrator(request)
        return event.calibrator

    return fitted


def check(service, calibrator, questions, **fields):
    fields.setdefault("reading", LETTER)
    request = pb.CheckCalibratorRequest(name=calibrator.name, questions=questions, **fields)
    *progress, event = service.calibration.CheckCalibrator(request)
    assert progress[-1].progress.done == progress[-1].progress.total
    return event.check


def drift_of(service, calibrator):
    drift = service.calibration.GetDrift(pb.GetDriftRequest(name=calibrator.name)).drift
    [test] = [each for each in drift.tests if each.kind == KIND.KIND_DISAGREES]
    return drift, test


def alerts_of(service, calibrator):
    request = pb.ListAlertsRequest(model="models/aligned", calibrator=calibrator.name)
    return service.calibration.ListAlerts(request).alerts


def test_a_teacher_as_at_the_fit_is_no_evidence(start_service, fitted, asked):
    service = start_service()
    calibrator = fitted(service)
    assert calibrator.metrics["disagreement"] == 0
    found = check(service, calibrator, asked(60))
    assert (found.questions, found.disagreeing) == (60, 0)
    assert (found.fit_questions, found.fit_disagreeing) == (100, 0)
    assert (found.teacher, found.p_value) == ("models/base", 1.0)
    assert not found.HasField("proposal")
    drift, test = drift_of(service, calibrator)
    assert not test.alarm
    assert list(drift.checks) == [found]
    assert not alerts_of(service, calibrator)


def test_a_teacher_that_disagrees_more_is_a_reason_to_look(start_service, fitted, asked):
    calibrator = fitted(start_service())
    service = start_service(engines=STRANGER)
    found = check(service, calibrator, asked(60))
    assert 15 < found.disagreeing < 45, "of two options the one or the other"
    assert found.p_value < 1e-6
    _, test = drift_of(service, calibrator)
    assert test.alarm
    assert 0 < test.alarm_at <= 60
    [alert] = alerts_of(service, calibrator)
    assert (alert.test, alert.outcomes) == (KIND.KIND_DISAGREES, test.alarm_at)
    assert (alert.expected, alert.observed) == (0, found.disagreeing / 60)
    assert not alert.HasField("proposal"), "no promise is broken"
    states = service.app._state().alerted
    assert states["aligned", "disagrees"] == 1


def test_the_same_questions_are_no_more_evidence(start_service, fitted, asked):
    calibrator = fitted(start_service())
    service = start_service(engines=STRANGER)
    first = check(service, calibrator, asked(40))
    before = drift_of(service, calibrator)
    assert check(service, calibrator, asked(40)) == first
    assert drift_of(service, calibrator) == before
    second = check(service, calibrator, asked(40, "fresher"))
    drift, test = drift_of(service, calibrator)
    assert list(drift.checks) == [second, first]
    assert test.log_evidence > before[1].log_evidence


def test_of_a_fit_without_a_teacher_nothing_is_compared(start_service, asked):
    service = start_service()
    calibrator = active(service)
    found = check(service, calibrator, asked(30), reading=None)
    assert (found.questions, found.fit_questions) == (30, 0)
    assert not found.HasField("p_value")
    _, test = drift_of(service, calibrator)
    assert (test.alarm, test.log_evidence) == (False, 0)


def test_of_a_fit_without_a_teacher_each_teacher_has_checks_of_its_own(
    start_service, weights, asked
):
    fake = {"weights": weights, "engine": {"backend": "fake", "seed": 7}}
    names = ["aligned", "base", "stranger"]
    engines = {"stranger": FakeEngine(seed=8)}
    service = start_service(models=[{"name": each, **fake} for each in names], engines=engines)
    calibrator, questions = active(service), asked(60)
    found = [
        check(service, calibrator, questions, reading=None, teacher=f"models/{each}")
        for each in ["base", "stranger", "base"]
    ]
    assert [each.teacher for each in found] == ["models/base", "models/stranger", "models/base"]
    assert found[0].disagreeing == 0
    assert found[1].disagreeing > 0
    drift, _ = drift_of(service, calibrator)
    assert list(drift.checks) == [found[1], found[0]]
    assert found[2] == found[0]


def test_of_a_fit_from_scores_nobody_knows_the_teacher(start_service, asked):
    service = start_service()
    rows = [{"logprobs": [-0.1, -2.4], "teacher_logprobs": [-2.4, -0.1]} for _ in range(20)]
    request = pb.FitCalibratorRequest(
        model="models/aligned", method=pb.METHOD_TEACHER_KL, scores=pb.FitScores(items=rows)
    )
    *_, event = service.calibration.FitCalibrator(request)
    assert event.calibrator.metrics["disagreement"] == 1
    found = check(service, event.calibrator, asked(30), reading=None)
    assert found.fit_questions == 0
    assert not found.HasField("p_value")


def test_answers_of_the_questions_are_not_looked_at(start_service, fitted, asked):
    service = start_service()
    questions = asked(30)
    for item in questions.items:
        item.answer = 1
    proposal = check(service, fitted(service), questions, propose=True).proposal
    named = pb.GetCalibratorRequest(name=proposal.calibrator)
    assert service.calibration.GetCalibrator(named).calibrator.provenance.labelled == 0


def test_a_refit_is_kept_and_not_compared_without_outcomes(start_service, fitted, asked):
    service = start_service()
    calibrator = fitted(service)
    proposal = check(service, calibrator, asked(60), propose=True).proposal
    assert (proposal.fitted, proposal.held_out, proposal.waiting) == (60, 0, False)
    assert proposal.note == "not compared: 0 of 200 outcomes that tell of the present one"
    assert not proposal.differences
    proposed = service.calibration.GetCalibrator(
        pb.GetCalibratorRequest(name=proposal.calibrator)
    ).calibrator
    assert (proposed.method, proposed.scope) == (pb.METHOD_TEACHER_KL, calibrator.scope)
    assert proposed.provenance.items == 60
    assert not proposed.active
    drift, _ = drift_of(service, calibrator)
    assert drift.checks[0].proposal == proposal, "it is in the history"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_better_refit_takes_over_only_where_the_operator_allows_it(start_service, asked, allowed):
    alerts = {"check_seconds": 3600, "proposal": {"activate": allowed}}
    service = start_service(alerts=alerts)
    calibrator = active(service)
    # It says .9 of what is right six times in ten; the teacher's temperature makes less of it.
    tell(service, calibrator, share=0.6, count=300)
    proposal = check(service, calibrator, asked(60), reading=None, propose=True).proposal
    assert (proposal.fitted, proposal.held_out) == (60, 300)
    assert proposal.differences["brier"].upper < 0
    assert proposal.activated == allowed
    proposed = service.calibration.GetCalibrator(
        pb.GetCalibratorRequest(name=proposal.calibrator)
    ).calibrator
    assert proposed.active == allowed
    assert check(service, calibrator, asked(60), reading=None, propose=True).proposal == proposal


def test_after_an_alert_only_later_outcomes_compare(start_service, asked):
    service = start_service()
    calibrator = active(service)
    tell(service, calibrator, share=0.5, count=300)
    service.run(service.app._alerts.look())
    tell(service, calibrator, share=0.6, count=210, seed=9)
    proposal = check(service, calibrator, asked(20), reading=None, propose=True).proposal
    assert proposal.held_out == 210


def test_the_questions_of_the_fit_are_not_fresh(start_service, fitted, asked, refused):
    service = start_service()
    calibrator = fitted(service, 20)
    with refused(INVALID, field="questions"):
        check(service, calibrator, asked(20, "of the fit"))


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"reading": {"format": "FORMAT_TEXT"}}, FAILED, None),
        ({"teacher_reading": {"format": "FORMAT_TEXT"}}, INVALID, "teacher_reading"),
        ({"teacher": "models/aligned"}, INVALID, "teacher"),
        ({"questions": None}, INVALID, "questions"),
        ({"questions": pb.FitQuestions()}, INVALID, "questions.items"),
    ],
)
def test_what_is_not_as_at_the_fit_is_refused(
    start_service, fitted, asked, refused, fields, code, field
):
    service = start_service()
    calibrator = fitted(service, 20)
    with refused(code, field=field):
        check(service, calibrator, **{"questions": asked(5), **fields})


def test_another_number_of_options_is_refused(start_service, fitted, asked, refused):
    service = start_service()
    calibrator = fitted(service, 20)
    with refused(FAILED, reason="SCOPE_MISMATCH"):
        check(service, calibrator, asked(5, options=4))


def test_too_few_questions_for_a_refit_are_refused_before_any_is_asked(
    start_service, fitted, asked, refused
):
    service = start_service()
    calibrator = fitted(service, 20)
    with refused(INVALID, field="questions.items", reason="TOO_FEW_ITEMS"):
        check(service, calibrator, asked(1), propose=True)
    drift, _ = drift_of(service, calibrator)
    assert not drift.checks


def test_a_refit_that_could_not_be_kept_asks_nobody(
    start_service, fitted, asked, refused, monkeypatch
):
    service = start_service()
    calibrator = fitted(service, 20)
    monkeypatch.setattr(service.app._store, "_most", 1)
    with refused(FAILED, reason="TOO_MANY_CALIBRATORS"):
        check(service, calibrator, asked(60), propose=True)
    drift, _ = drift_of(service, calibrator)
    assert not drift.checks
    assert check(service, calibrator, asked(60)).questions == 60, "a check alone is kept"


def test_what_took_the_last_place_can_be_asked_for_again(start_service, fitted, asked, monkeypatch):
    service = start_service()
    calibrator = fitted(service, 20)
    monkeypatch.setattr(service.app._store, "_most", 2)
    first = check(service, calibrator, asked(60), propose=True)
    assert check(service, calibrator, asked(60), propose=True) == first


def test_the_same_questions_in_another_order_are_no_other_check(start_service, fitted, asked):
    service = start_service()
    calibrator = fitted(service)
    questions = asked(60)
    first = check(service, calibrator, questions)
    mixed = pb.FitQuestions(items=[*questions.items][::-1])
    assert check(service, calibrator, mixed) == first
    drift, _ = drift_of(service, calibrator)
    assert list(drift.checks) == [first]


@pytest.mark.parametrize(
    # What is looked up before, engines have not worked for.
    ("call", "before"),
    [("add", 0), ("of_calibrator", 1), ("propose", 0)],
)
def test_what_engines_have_worked_for_outlasts_a_store_that_is_away(
    start_service, fitted, asked, monkeypatch, call, before
):
    service = start_service()
    calibrator = fitted(service)
    original, tried = getattr(SqlCheckStore, call), []

    def away(*args):
        tried.append(call)
        if len(tried) == before + 1:
            raise StoreUnavailable("for a moment")
        return original(*args)

    monkeypatch.setattr(SqlCheckStore, call, away)
    monkeypatch.setattr(store_calls, "_AGAIN_SECONDS", 0.0)
    found = check(service, calibrator, asked(60), propose=True)
    assert (found.questions, found.proposal.fitted, len(tried)) == (60, 60, before + 2)
    drift, _ = drift_of(service, calibrator)
    assert list(drift.checks) == [found]
