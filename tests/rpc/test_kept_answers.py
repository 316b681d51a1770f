"""Answers that the store keeps by an id of the caller's, until he tells what became of them."""

import grpc
import pytest
from tests.rpc.test_store_away import AWAY

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import scoring_pb2
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.flows import outcomes as outcomes_module

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def named(question):
    """A question whose answer is to be kept by this id."""

    def named(answer_id, **fields):
        asked = question(**fields)
        asked.answer_id = answer_id
        return asked

    return named


def tell(service, *pairs):
    outcomes = [pb.ReportedOutcome(answer_id=name, option=option) for name, option in pairs]
    return service.calibration.RecordOutcomes(pb.RecordOutcomesRequest(outcomes=outcomes))


def counts(response):
    return response.recorded, response.corrected, response.unchanged, len(response.errors)


def test_an_outcome_is_told_by_the_id(start_service, named, question):
    service = start_service()
    request = pb.FitCalibratorRequest(
        model="models/aligned", method=pb.METHOD_CONSTANT, temperature=2, options=4, activate=True
    )
    *_, event = service.calibration.FitCalibrator(request)
    assert service.score(named("order 17")).kept
    assert not service.score(question()).HasField("kept")
    assert counts(tell(service, ("order 17", 2))) == (1, 0, 0, 0)
    assert counts(tell(service, ("order 17", 2))) == (0, 0, 1, 0)
    assert counts(tell(service, ("order 17", 1))) == (0, 1, 0, 0)
    drift = service.calibration.GetDrift(pb.GetDriftRequest(name=event.calibrator.name)).drift
    assert drift.outcomes == 1


def test_the_answers_of_a_batch_and_of_a_stream_are_kept(start_service, named, question):
    service = start_service()
    questions = [named("a"), question(), named("b"), question(options=1)]
    outcomes = service.batch(questions)
    assert [each.answer.HasField("kept") for each in outcomes] == [True, False, True, False]
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    message = scoring_pb2.StreamScoreRequest(settings=settings, questions=[named("c")])
    [response] = service.scoring.StreamScore(iter([message]))
    assert response.outcomes[0].answer.kept
    assert counts(tell(service, ("a", 0), ("b", None), ("c", 3))) == (3, 0, 0, 0)


def test_an_id_and_a_receipt_may_be_told_together(start_service, named, question):
    service = start_service()
    receipt = service.score(question(), receipts=True).receipt
    service.score(named("a"))
    told = [pb.ReportedOutcome(receipt=receipt, option=1), pb.ReportedOutcome(answer_id="a")]
    request = pb.RecordOutcomesRequest(outcomes=told)
    assert counts(service.calibration.RecordOutcomes(request)) == (2, 0, 0, 0)


def test_what_is_not_kept_is_told_by_itself(start_service, named, details):
    service = start_service()
    service.score(named("a"))
    response = tell(service, ("z", 0), ("a", 4), ("a", 0))
    assert counts(response) == (1, 0, 0, 2)
    first, second = (details(each.error) for each in response.errors)
    assert (first["reason"], first["field"]) == ("ANSWER_NOT_KEPT", "outcomes[0].answer_id")
    assert second["field"] == "outcomes[1].option"


def test_the_last_answer_of_an_id_holds(start_service, named):
    service = start_service()
    service.score(named("a", options=4))
    service.score(named("a", options=2))
    assert counts(tell(service, ("a", 3))) == (0, 0, 0, 1)


def test_an_answer_of_a_known_outcome_may_be_kept_anew(start_service, named):
    service = start_service()
    request = pb.FitCalibratorRequest(
        model="models/aligned", method=pb.METHOD_IDENTITY, any_options=True, activate=True
    )
    *_, event = service.calibration.FitCalibrator(request)
    service.score(named("a", options=2))
    assert counts(tell(service, ("a", 1))) == (1, 0, 0, 0)
    service.score(named("a", options=4))
    assert counts(tell(service, ("a", 3), ("b", 0))) == (0, 1, 0, 1)
    assert counts(tell(service, ("a", 3))) == (0, 0, 1, 0)
    drift = service.calibration.GetDrift(pb.GetDriftRequest(name=event.calibrator.name)).drift
    assert drift.outcomes == 1


def test_in_one_message_an_id_is_for_one_question(service, named):
    first, again, other = service.batch([named("one"), named("one", options=3), named("two")])
    assert first.answer.kept
    assert again.error.message.startswith("questions[1].answer_id: is that of questions[0]")
    assert other.answer.kept


@pytest.mark.parametrize("name", ["x" * 129, " a", "a\nb"])
def test_an_id_that_is_none_is_refused(service, named, refused, name):
    with refused(INVALID, field="question.answer_id"):
        service.score(named(name))
    [bad, good] = service.batch([named(name), named("good")])
    assert "questions[0].answer_id" in bad.error.message
    assert good.answer.kept


def test_an_outcome_has_one_name(service, refused):
    both = pb.ReportedOutcome(receipt=b"x", answer_id="a", option=1)
    with refused(INVALID, field="outcomes[0].answer_id"):
        service.calibration.RecordOutcomes(pb.RecordOutcomesRequest(outcomes=[both]))


@pytest.mark.parametrize("how", AWAY)
def test_an_answer_is_given_also_where_it_cannot_be_kept(
    start_service, postgres_server, named, monkeypatch, how
):
    monkeypatch.setattr(outcomes_module, "_KEEP_SECONDS", 0.5)
    service = start_service(store=postgres_server.emptied())
    with getattr(postgres_server, how)():
        answer = service.score(named("a"))
        assert len(answer.options) == 4
        assert answer.HasField("kept")
        assert not answer.kept
    assert len(service.score(named("a")).options) == 4


@pytest.mark.parametrize("how", AWAY)
def test_receipts_are_refused_before_an_engine_works_in_vain(
    start_service, postgres_server, question, refused, monkeypatch, how
):
    monkeypatch.setattr(outcomes_module, "_ANSWER_SECONDS", 0.5)
    engine = FakeEngine()
    service = start_service(store=postgres_server.emptied(), engines={"aligned": engine})
    code, reason = AWAY[how]
    with getattr(postgres_server, how)():
        with refused(code, reason=reason):
            service.score(question(), receipts=True)
        assert engine.usage.prompts == 0
    assert service.score(question(), receipts=True).receipt
    with getattr(postgres_server, how)():
        assert service.score(question(), receipts=True).receipt, "the key is known by now"
