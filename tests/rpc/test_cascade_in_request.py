"""A cascade that a request makes of three models: whose turn it is, its thresholds, its names."""

import grpc
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import model_pb2, question_pb2

MODELS = SMALL, MIDDLE, LARGE = ("models/small", "models/middle", "models/large")
CASCADE = "models/small+middle+large"


@pytest.fixture
def served(start_service, weights):
    models = [
        {"name": name.partition("/")[2], "weights": weights, "engine": engine}
        for name, engine in zip(
            MODELS, ({"backend": "fake", "seed": seed} for seed in (1, 2, 3)), strict=True
        )
    ]
    cascades = [{"name": "both", "models": ["small", "large"]}]
    return start_service(models=models, cascades=cascades)


@pytest.fixture
def questions(question):
    return [question(f"Question {number}?") for number in range(240)]


def _last(events):
    return list(events)[-1]


def _raw(service, model):
    """A calibrator that is active for a model, and changes nothing."""
    request = pb.FitCalibratorRequest(
        model=model, method=pb.METHOD_IDENTITY, options=4, activate=True
    )
    return _last(service.calibration.FitCalibrator(request)).calibrator


def _answers(service, questions, model, **settings):
    return [each.answer for each in service.batch(questions, model=model, **settings)]


def _labelled(service, questions):
    """The small model is right in the third that it is surest of, the middle in half of the rest,
    and neither in what is left.
    """
    small, middle = (_answers(service, questions, each) for each in MODELS[:2])

    def surest(answers, share):
        ranked = sorted((each.calibrated_confidence for each in answers), reverse=True)
        return ranked[int(len(ranked) * share)]

    least = surest(small, 1 / 3)
    rest = [b for a, b in zip(small, middle, strict=True) if a.calibrated_confidence <= least]
    next_least = surest(rest, 1 / 2)
    items = []
    for asked, a, b in zip(questions, small, middle, strict=True):
        right = min({0, 1, 2, 3} - {a.choice, b.choice})
        if a.calibrated_confidence > least:
            right = a.choice
        elif b.calibrated_confidence > next_least:
            right = b.choice
        items.append(pb.FitQuestion(question=asked, answer=right))
    return pb.FitQuestions(items=items)


@pytest.fixture
def fitted(served, questions):
    """The labelled questions, and the thresholds that were found on them."""
    for model in MODELS[:2]:
        _raw(served, model)
    labelled = _labelled(served, questions)
    request = pb.FitCalibratorRequest(
        model=CASCADE,
        method=pb.METHOD_CASCADE,
        questions=labelled,
        target_risk=0.2,
        activate=True,
    )
    return labelled, _last(served.calibration.FitCalibrator(request)).calibrator


def test_each_answers_where_it_is_sure_enough_and_the_last_the_rest(served, questions, fitted):
    _, found = fitted
    assert found.active
    assert found.scope.model == CASCADE
    assert [each.partition("/cal")[0] for each in found.provenance.measured_with] == [SMALL, MIDDLE]
    thresholds = found.parameters["min_confidence"].values
    own = [_answers(served, questions, model) for model in MODELS]
    for place, said in enumerate(_answers(served, questions, CASCADE)):
        turns = [each[place] for each in own]
        by = next(
            (
                number
                for number, least in enumerate(thresholds)
                if turns[number].calibrated_confidence >= least
            ),
            2,
        )
        assert said.answered_by == MODELS[by]
        assert said.cascade_calibrator == found.name
        assert (said.choice, said.identity) == (turns[by].choice, turns[by].identity)
        assert said.prompt_tokens == sum(each.prompt_tokens for each in turns[: by + 1])


def test_an_evaluation_tells_of_each_what_its_answers_show(served, questions, fitted):
    labelled, found = fitted
    request = pb.EvaluateCalibratorRequest(name=found.name, questions=labelled)
    report = _last(served.calibration.EvaluateCalibrator(request)).report
    answers = _answers(served, questions, CASCADE)
    parts = report.cascade.parts
    assert [each.model for each in parts] == list(MODELS)
    left = len(questions)
    for part in parts:
        own = [
            (said.choice, item.answer)
            for said, item in zip(answers, labelled.items, strict=True)
            if said.answered_by == part.model
        ]
        wrong = sum(choice != answer for choice, answer in own)
        assert (part.asked, part.answered) == (left, len(own))
        assert len(own) > 20
        assert part.risk.value == pytest.approx(wrong / len(own))
        left -= len(own)
    for part in parts[:2]:
        assert part.risk.value <= 0.2
    asked = sum(part.prompt_tokens for part in parts)
    assert asked == sum(each.prompt_tokens for each in answers)


def test_no_threshold_outlives_the_calibrator_of_any_of_its_models(served, questions, fitted):
    _, found = fitted
    other = pb.FitCalibratorRequest(
        model=MIDDLE, method=pb.METHOD_CONSTANT, temperature=2, options=4, activate=True
    )
    _last(served.calibration.FitCalibrator(other))
    answer = served.score(questions[0], model=CASCADE)
    assert (answer.answered_by, answer.cascade_calibrator) == (LARGE, "")
    assert found.provenance.measured_with[1] in answer.skipped_because


def test_other_models_or_another_order_are_another_cascade(served, questions, fitted):
    for name in ("models/middle+small+large", "models/small+large", "models/both"):
        answer = served.score(questions[0], model=name)
        assert answer.answered_by == LARGE
        assert "no calibrator is active" in answer.skipped_because


def test_a_model_that_no_threshold_is_for_is_not_asked(served, questions):
    """The small one is never right: the middle has the first turn."""
    for model in MODELS[:2]:
        _raw(served, model)
    small, middle = (_answers(served, questions, each) for each in MODELS[:2])
    at_odds = [
        pb.FitQuestion(question=asked, answer=b.choice)
        for asked, a, b in zip(questions, small, middle, strict=True)
        if a.choice != b.choice
    ]
    request = pb.FitCalibratorRequest(
        model=CASCADE,
        method=pb.METHOD_CASCADE,
        questions=pb.FitQuestions(items=at_odds),
        target_risk=0.2,
        activate=True,
    )
    found = _last(served.calibration.FitCalibrator(request)).calibrator
    never, least = found.parameters["min_confidence"].values
    assert found.active
    assert never > 1 > least
    asked = [each.question for each in at_odds[:20]]
    alone = _answers(served, asked, MIDDLE)
    for said, own in zip(_answers(served, asked, CASCADE), alone, strict=True):
        assert (said.answered_by, said.prompt_tokens) == (MIDDLE, own.prompt_tokens)


def test_it_is_told_like_a_model_and_not_listed(served):
    got = served.models.GetModel(model_pb2.GetModelRequest(name=CASCADE)).model
    assert list(got.cascade) == list(MODELS)
    assert got.state == model_pb2.STATE_READY
    listed = served.models.ListModels(model_pb2.ListModelsRequest()).models
    assert {each.name for each in listed} == {*MODELS, "models/both"}


WRONG_NAMES = {
    "a model twice": (
        "models/small+large+small",
        grpc.StatusCode.INVALID_ARGUMENT,
        {"field": "settings.model"},
    ),
    "nothing after it": (
        "models/small+",
        grpc.StatusCode.INVALID_ARGUMENT,
        {"field": "settings.model"},
    ),
    "more than may be": (
        "models/" + "+".join("abcdefghi"),
        grpc.StatusCode.INVALID_ARGUMENT,
        {"field": "settings.model"},
    ),
    "no model": ("models/small+huge", grpc.StatusCode.NOT_FOUND, {"reason": "MODEL_NOT_FOUND"}),
    "a cascade": (
        "models/small+both",
        grpc.StatusCode.FAILED_PRECONDITION,
        {"reason": "IS_CASCADE"},
    ),
}


@pytest.mark.parametrize(("name", "code", "told"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_what_is_wrong_with_its_name_is_told(served, question, refused, name, code, told):
    with refused(code, **told):
        served.score(question(), model=name)


def test_it_is_no_teacher_and_has_no_tokens(served, question, refused):
    wanted = {"reason": "IS_CASCADE"}
    with refused(grpc.StatusCode.FAILED_PRECONDITION, **wanted):
        prompts = [question_pb2.Prompt(text="a")]
        served.models.Tokenize(model_pb2.TokenizeRequest(name=CASCADE, prompts=prompts))
    with refused(grpc.StatusCode.FAILED_PRECONDITION, **wanted):
        items = [pb.FitQuestion(question=question())]
        request = pb.FitCalibratorRequest(
            model=SMALL,
            method=pb.METHOD_TEACHER_KL,
            teacher=CASCADE,
            questions=pb.FitQuestions(items=items),
        )
        list(served.calibration.FitCalibrator(request))
