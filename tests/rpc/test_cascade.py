"""A cascade: whose turn it is, that a threshold holds for what it was measured with, and errors."""

import grpc
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import model_pb2, question_pb2, reading_pb2, scoring_pb2
from trueodds_service.caller import Permission
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import SqlKeyStore

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INVALID = grpc.StatusCode.INVALID_ARGUMENT
BOTH = "models/both"
FIRST, LAST = "models/base", "models/aligned"
CASCADES = [{"name": "both", "models": ["base", "aligned"]}]


@pytest.fixture
def cascaded(start_service):
    """A service of two models, and a cascade of both."""
    return start_service(cascades=CASCADES)


@pytest.fixture
def questions(question):
    return [question(f"Question {number}?") for number in range(300)]


def _constant(service, model, **fit):
    """A calibrator that is active for a model."""
    fit = {"temperature": 1.5, "options": 4, "activate": True, **fit}
    request = pb.FitCalibratorRequest(model=model, method=pb.METHOD_CONSTANT, **fit)
    return _last(service.calibration.FitCalibrator(request)).calibrator


def _last(events):
    return list(events)[-1]


def _labelled(service, questions):
    """The questions with answers: the first model is right in the half that it is surest of."""
    answers = [each.answer for each in service.batch(questions, model=FIRST)]
    middle = sorted(each.calibrated_confidence for each in answers)[len(answers) // 2]
    return pb.FitQuestions(
        items=[
            pb.FitQuestion(
                question=asked,
                answer=(said.choice + (said.calibrated_confidence < middle)) % len(said.options),
            )
            for asked, said in zip(questions, answers, strict=True)
        ]
    )


def _fit(service, questions, **fit):
    """The cascade's calibrator; active unless told."""
    fit = {"model": BOTH, "target_risk": 0.1, "activate": True, **fit}
    request = pb.FitCalibratorRequest(
        method=pb.METHOD_CASCADE, questions=_labelled(service, questions), **fit
    )
    return _last(service.calibration.FitCalibrator(request)).calibrator


@pytest.fixture
def fitted(cascaded, questions):
    """The calibrator of the first model, and the cascade's that was measured with it."""
    first = _constant(cascaded, FIRST)
    return first, _fit(cascaded, questions)


def test_the_first_answers_where_it_is_sure_enough_and_the_last_the_rest(
    cascaded, questions, fitted
):
    first, cascade = fitted
    [least] = cascade.parameters["min_confidence"].values
    assert cascade.active
    assert list(cascade.provenance.measured_with) == [first.name]
    assert 0.4 < cascade.metrics["coverage"] < 0.6
    assert cascade.metrics["risk_upper_bound"] <= 0.1
    [kept] = cascaded.app._store.list("both", page_size=9).calibrators
    check_could_be_kept(kept)

    own = [each.answer for each in cascaded.batch(questions, model=FIRST)]
    others = [each.answer for each in cascaded.batch(questions, model=LAST)]
    answers = [each.answer for each in cascaded.batch(questions, model=BOTH)]
    answered_by = set()
    for said, small, large in zip(answers, own, others, strict=True):
        is_sure = small.calibrated_confidence >= least
        one = small if is_sure else large
        assert said.answered_by == (FIRST if is_sure else LAST)
        assert (said.choice, said.calibrated_confidence) == (one.choice, one.calibrated_confidence)
        assert said.calibrator == one.calibrator
        assert said.identity == one.identity
        tokens = small.prompt_tokens + (0 if is_sure else large.prompt_tokens)
        assert said.prompt_tokens == tokens
        assert said.cascade_calibrator == cascade.name
        assert said.skipped_because == ""
        answered_by.add(said.answered_by)
    assert answered_by == {FIRST, LAST}


def test_a_lone_question_and_a_stream_go_the_same_way(cascaded, questions, fitted):
    batch = [each.answer for each in cascaded.batch(questions[:8], model=BOTH)]
    for asked, expected in zip(questions[:8], batch, strict=True):
        assert cascaded.score(asked, model=BOTH).answered_by == expected.answered_by
    settings = scoring_pb2.ScoreSettings(model=BOTH)
    request = scoring_pb2.StreamScoreRequest(settings=settings, questions=questions[:8])
    [response] = cascaded.scoring.StreamScore(iter([request]))
    streamed = [each.answer.answered_by for each in response.outcomes]
    assert streamed == [each.answered_by for each in batch]


def test_no_quota_ends_a_batch_between_its_two_models(
    start_service, cascaded, questions, fitted, tmp_path
):
    """A stream is looked at batch by batch, and this one costs more than there is."""
    quotas = {"default": {"tenant": {"questions": 8}}}
    service = start_service(cascades=CASCADES, access="keys", quotas=quotas)
    keys = SqlKeyStore(f"sqlite:///{tmp_path / 'store.sqlite'}")
    _, key = keys.create("one", tenant="", permissions={Permission.SCORE})
    keys.close()
    service.run(service.app._identities._keys.refresh())
    settings = scoring_pb2.ScoreSettings(model=BOTH)
    request = scoring_pb2.StreamScoreRequest(settings=settings, questions=questions[:20])
    metadata = [("authorization", f"Bearer {key}")]
    [response] = service.scoring.StreamScore(iter([request]), metadata=metadata)
    assert {each.answer.answered_by for each in response.outcomes} == {FIRST, LAST}
    [refused] = service.scoring.StreamScore(iter([request]), metadata=metadata)
    assert not any(each.HasField("answer") for each in refused.outcomes)


def test_a_model_says_nothing_of_a_cascade(cascaded, question):
    answer = cascaded.score(question(), model=LAST)
    assert not answer.HasField("answered_by")
    assert (answer.cascade_calibrator, answer.skipped_because) == ("", "")


def test_without_a_threshold_the_last_is_asked_and_says_why(cascaded, question, refused):
    answer = cascaded.score(question(), model=BOTH)
    assert answer.answered_by == LAST
    assert "no calibrator is active for the default task, 4 options" in answer.skipped_because
    _constant(cascaded, LAST)
    assert cascaded.score(question(), model=BOTH, min_confidence=0.01).calibrated
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        cascaded.score(question(), model=BOTH, require_calibrated=True)


def test_a_threshold_does_not_outlive_the_calibrator_that_it_was_measured_with(
    cascaded, questions, fitted, refused
):
    first, cascade = fitted
    other = _constant(cascaded, FIRST, temperature=2.0)
    for each in cascaded.batch(questions, model=BOTH):
        assert each.answer.answered_by == LAST
        assert first.name in each.answer.skipped_because
        assert each.answer.cascade_calibrator == ""
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED"):
        cascaded.score(questions[0], model=BOTH, require_calibrated=True)
    cascaded.calibration.RollbackCalibrator(pb.RollbackCalibratorRequest(name=other.name))
    outcomes = cascaded.batch(questions, model=BOTH)
    assert {each.answer.answered_by for each in outcomes} == {FIRST, LAST}
    assert {each.answer.cascade_calibrator for each in outcomes} == {cascade.name}


def test_a_threshold_is_rolled_back_like_a_calibrator(cascaded, questions, fitted):
    _, before = fitted
    strict = _fit(cascaded, questions, target_risk=0.06)
    assert cascaded.score(questions[0], model=BOTH).cascade_calibrator == strict.name
    cascaded.calibration.RollbackCalibrator(pb.RollbackCalibratorRequest(name=strict.name))
    assert cascaded.score(questions[0], model=BOTH).cascade_calibrator == before.name
    named = cascaded.score(questions[0], model=BOTH, calibrator=strict.name)
    assert named.cascade_calibrator == strict.name
    request = pb.ListCalibratorsRequest(model=BOTH)
    listed = cascaded.calibration.ListCalibrators(request).calibrators
    assert [each.name for each in listed] == [strict.name, before.name]
    assert {each.method for each in listed} == {pb.METHOD_CASCADE}


def test_a_threshold_is_for_its_own_task_reading_and_number_of_options(
    cascaded, question, fitted, refused
):
    _, cascade = fitted
    answer = cascaded.score(question(options=3), model=BOTH)
    assert answer.answered_by == LAST
    with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
        cascaded.score(question(options=3), model=BOTH, calibrator=cascade.name)
    with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
        letter = reading_pb2.FORMAT_LETTER
        cascaded.score(question(), model=BOTH, calibrator=cascade.name, format=letter)


def test_a_threshold_that_no_risk_allows_is_kept_and_not_activated(cascaded, questions):
    _constant(cascaded, FIRST)
    found = _fit(cascaded, questions[:20])
    assert not found.active
    assert "no threshold keeps a risk of 0.1 on 20 items" in found.degenerate
    request = pb.ActivateCalibratorRequest(name=found.name, force=True)
    cascaded.calibration.ActivateCalibrator(request)
    answer = cascaded.score(questions[0], model=BOTH)
    assert (answer.answered_by, answer.skipped_because) == (
        LAST,
        f"{found.name}: {found.degenerate}",
    )
    alone = cascaded.score(questions[0], model=LAST)
    assert answer.prompt_tokens == alone.prompt_tokens, "the first is not asked in vain"


def test_what_is_too_long_for_the_first_is_asked_of_the_last(start_service, question, questions):
    engine = FakeEngine(seed=7, max_tokens=100)
    service = start_service(cascades=CASCADES, engines={"base": engine})
    _constant(service, FIRST)
    cascade = _fit(service, questions)
    answer = service.score(question(passage="long " * 100), model=BOTH)
    assert (answer.answered_by, answer.cascade_calibrator) == (LAST, cascade.name)


def test_an_abstention_of_the_first_is_no_answer(cascaded, questions, fitted):
    """Who wants surer answers than the threshold asks for is given the last model's."""
    _constant(cascaded, LAST)
    for each in cascaded.batch(questions, model=BOTH, min_confidence=0.999):
        assert each.answer.answered_by == LAST


def test_an_evaluation_tells_who_answers_and_what_it_takes(cascaded, questions, fitted):
    _, cascade = fitted
    labelled = _labelled(cascaded, questions)
    request = pb.EvaluateCalibratorRequest(name=cascade.name, questions=labelled)
    report = _last(cascaded.calibration.EvaluateCalibrator(request)).report
    assert report.data_hash == cascade.provenance.data_hash
    assert report.cascade.target_risk == pytest.approx(0.1)
    small, large = report.cascade.parts
    answers = [each.answer for each in cascaded.batch(questions, model=BOTH)]
    by_first = [each.answered_by == FIRST for each in answers]
    assert (small.model, small.asked, small.answered) == (FIRST, 300, sum(by_first))
    rest = 300 - sum(by_first)
    assert (large.model, large.asked, large.answered) == (LAST, rest, rest)
    wrong = [
        item.answer != answer.choice
        for item, answer, own in zip(labelled.items, answers, by_first, strict=True)
        if own
    ]
    assert small.risk.value == pytest.approx(sum(wrong) / len(wrong))
    assert small.risk.lower <= small.risk.value <= small.risk.upper
    tokens = small.prompt_tokens + large.prompt_tokens
    assert tokens == sum(each.prompt_tokens for each in answers)
    own = [each.answer for each in cascaded.batch(questions, model=LAST)]
    alone = report.cascade.last_alone
    assert alone.prompt_tokens == sum(each.prompt_tokens for each in own)
    wrong = [item.answer != each.choice for item, each in zip(labelled.items, own, strict=True)]
    assert alone.risk.value == pytest.approx(sum(wrong) / len(wrong))
    right = [item.answer == each.choice for item, each in zip(labelled.items, own, strict=True)]
    assert report.before.metrics["accuracy"].value == pytest.approx(sum(right) / len(right))
    right = [i.answer == each.choice for i, each in zip(labelled.items, answers, strict=True)]
    assert report.after.metrics["accuracy"].value == pytest.approx(sum(right) / len(right))
    assert not report.answer_sets


def test_an_evaluation_is_beside_what_answers_for_the_last_model(cascaded, questions):
    """Its calibrator for this number of options, which goes before the one for any."""
    any_options = {"options": 0, "any_options": True}
    _constant(cascaded, FIRST, **any_options)
    cascade = _fit(cascaded, questions, any_options=True)
    for options in ({"temperature": 1.1}, {"temperature": 4.0, **any_options}):
        _constant(cascaded, LAST, **options)
    labelled = _labelled(cascaded, questions)
    request = pb.EvaluateCalibratorRequest(name=cascade.name, questions=labelled)
    report = _last(cascaded.calibration.EvaluateCalibrator(request)).report
    own = [each.answer for each in cascaded.batch(questions, model=LAST)]
    said = sum(each.calibrated_confidence for each in own) / len(own)
    assert report.before.metrics["confidence"].value == pytest.approx(said)


def test_a_cascade_is_listed_with_its_models(cascaded):
    models = {
        each.name: each for each in cascaded.models.ListModels(model_pb2.ListModelsRequest()).models
    }
    both = models[BOTH]
    assert list(both.cascade) == [FIRST, LAST]
    assert both.state == model_pb2.STATE_READY
    assert both.limits.max_prompt_tokens == models[LAST].limits.max_prompt_tokens
    got = cascaded.models.GetModel(model_pb2.GetModelRequest(name=BOTH)).model
    assert (got.revision, got.cascade) == (both.revision, both.cascade)
    assert not models[LAST].cascade
    cascaded.run(cascaded.app.model_lost("base"))
    got = cascaded.models.GetModel(model_pb2.GetModelRequest(name=BOTH)).model
    assert got.state == model_pb2.STATE_LOST


def test_a_threshold_that_could_not_be_kept_asks_nobody(
    cascaded, questions, fitted, refused, monkeypatch
):
    monkeypatch.setattr(cascaded.app._store, "_most", 2)
    labelled = _labelled(cascaded, questions)
    monkeypatch.setattr(FakeEngine, "score", None)
    request = pb.FitCalibratorRequest(
        model=BOTH, method=pb.METHOD_CASCADE, questions=labelled, target_risk=0.2
    )
    with refused(FAILED_PRECONDITION, reason="TOO_MANY_CALIBRATORS"):
        list(cascaded.calibration.FitCalibrator(request))


def test_a_threshold_needs_a_calibrated_first_model(cascaded, questions, refused):
    with refused(FAILED_PRECONDITION, reason="NOT_CALIBRATED") as caught:
        _fit(cascaded, questions[:5])
    assert caught.value.details().startswith(f"{FIRST}: no calibrator is active")


WRONG_FITS = {
    "no target": ({"target_risk": None}, "target_risk"),
    "a target of nothing": ({"target_risk": 0.0}, "target_risk"),
    "a target of all": ({"target_risk": 1.0}, "target_risk"),
    "two targets": ({"target_passed_on": 0.5}, "target_passed_on"),
    "a share of all": ({"target_risk": None, "target_passed_on": 1.0}, "target_passed_on"),
    "a teacher": ({"teacher": FIRST}, "teacher"),
    "a temperature": ({"temperature": 2.0}, "temperature"),
    "a bias correction": ({"bias_correction": pb.BIAS_CORRECTION_BATCH}, "bias_correction"),
    "a model": ({"model": FIRST}, "method"),
}


@pytest.mark.parametrize(("changes", "field"), WRONG_FITS.values(), ids=WRONG_FITS)
def test_what_is_wrong_with_a_fit_is_named(cascaded, questions, refused, changes, field):
    with refused(INVALID, field=field):
        _fit(cascaded, questions[:5], **changes)


def test_a_fit_needs_questions_with_answers(cascaded, question, refused):
    fit = {"model": BOTH, "method": pb.METHOD_CASCADE, "target_risk": 0.1}
    scores = pb.FitScores(items=[pb.FitScore(logprobs=[-1.0, -2.0], answer=0)])
    with refused(INVALID, field="source"):
        list(cascaded.calibration.FitCalibrator(pb.FitCalibratorRequest(scores=scores, **fit)))
    asked = pb.FitQuestions(items=[pb.FitQuestion(question=question())])
    with refused(INVALID, field="questions.items[0].answer"):
        list(cascaded.calibration.FitCalibrator(pb.FitCalibratorRequest(questions=asked, **fit)))
    fit |= {"method": pb.METHOD_CONSTANT, "options": 4}
    with refused(INVALID, field="target_risk"):
        list(cascaded.calibration.FitCalibrator(pb.FitCalibratorRequest(**fit)))
    fit |= {"target_risk": None, "target_passed_on": 0.5}
    with refused(INVALID, field="target_passed_on"):
        list(cascaded.calibration.FitCalibrator(pb.FitCalibratorRequest(**fit)))


def _passes_on(service, questions, share, **fit):
    """The cascade's calibrator that bounds what goes on to the last, from questions alone."""
    items = [pb.FitQuestion(question=each) for each in questions]
    request = pb.FitCalibratorRequest(
        **{"model": BOTH, "activate": True, **fit},
        method=pb.METHOD_CASCADE,
        questions=pb.FitQuestions(items=items),
        target_passed_on=share,
    )
    return _last(service.calibration.FitCalibrator(request)).calibrator


def test_no_more_goes_on_to_the_last_than_may_and_nobody_need_know_the_answers(cascaded, questions):
    first = _constant(cascaded, FIRST)
    found = _passes_on(cascaded, questions, 0.4)
    assert found.active
    assert list(found.provenance.measured_with) == [first.name]
    assert (found.provenance.items, found.provenance.labelled) == (300, 0)
    assert list(found.parameters["target_passed_on"].values) == [0.4]
    answers = [each.answer for each in cascaded.batch(questions, model=BOTH)]
    passed_on = [each.answered_by for each in answers].count(LAST) / len(answers)
    assert found.metrics["coverage"] == pytest.approx(1 - passed_on)
    assert 0.3 < passed_on < found.metrics["passed_on_upper_bound"] <= 0.4
    assert {each.cascade_calibrator for each in answers} == {found.name}
    request = pb.EvaluateCalibratorRequest(
        name=found.name, questions=_labelled(cascaded, questions)
    )
    report = _last(cascaded.calibration.EvaluateCalibrator(request)).report.cascade
    assert (report.HasField("target_risk"), report.target_passed_on) == (False, 0.4)
    small, large = report.parts
    assert small.answered == 300 - large.answered == round(300 * (1 - passed_on))


def test_too_few_questions_tell_nothing_of_what_goes_on(cascaded, questions):
    _constant(cascaded, FIRST)
    found = _passes_on(cascaded, questions[:20], 0.1)
    assert not found.active
    assert "what is passed on to 0.1 on 20 items" in found.degenerate


def test_of_three_models_a_share_does_not_say_who_answers_what(
    start_service, weights, refused, question
):
    fake = {"weights": weights, "engine": {"backend": "fake"}}
    service = start_service(models=[{"name": each, **fake} for each in "abc"])
    with refused(INVALID, field="target_passed_on"):
        _passes_on(service, [question()], 0.5, model="models/a+b+c")


def test_a_cascade_has_no_scores_of_its_own(cascaded, question, fitted, refused):
    _, cascade = fitted
    name, is_cascade = cascade.name, {"reason": "IS_CASCADE"}
    with refused(FAILED_PRECONDITION, **is_cascade):
        prompts = [question_pb2.Prompt(text="a")]
        cascaded.models.Tokenize(model_pb2.TokenizeRequest(name=BOTH, prompts=prompts))
    with refused(FAILED_PRECONDITION, **is_cascade):
        _constant(cascaded, BOTH)
    rows = [pb.OptionScores(logprobs=[-1, -2, -3, -4])]
    for asked in ({"name": name}, {"model": BOTH}):
        with refused(FAILED_PRECONDITION, **is_cascade):
            cascaded.calibration.Calibrate(pb.CalibrateRequest(items=rows, **asked))
    with refused(FAILED_PRECONDITION, **is_cascade):
        rule = scoring_pb2.AnswerSetRule(method=scoring_pb2.ANSWER_SET_METHOD_LAC, threshold=0.9)
        cascaded.score(question(), model=BOTH, calibrator=name, answer_set=rule)
    with refused(INVALID, field="scores"):
        scores = pb.FitScores(items=[pb.FitScore(logprobs=[-1, -2, -3, -4], answer=0)])
        request = pb.EvaluateCalibratorRequest(name=name, scores=scores)
        list(cascaded.calibration.EvaluateCalibrator(request))
