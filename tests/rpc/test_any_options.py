"""One temperature for questions of any number of options: fitted from mixed ones, and applied."""

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import question_pb2, scoring_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
SHARPNESS = 3.0
"""The temperature between the fake aligned model and its teacher."""
TEMPERATURES = (pb.METHOD_TEMPERATURE, pb.METHOD_TEACHER_KL, pb.METHOD_AGREEMENT_KL)
OTHERS = tuple(
    pb.Method.Value(f"METHOD_{name}")
    for name in ("KDE", "VECTOR", "MATRIX", "ISOTONIC", "BETA", "SCALING_BINNING")
)


def asked(count, number=0):
    """A question of so many options."""
    options = [question_pb2.Option(text=f"choice {index}") for index in range(count)]
    return question_pb2.Question(text=f"Question {number}?", options=options)


@pytest.fixture
def fit(service, task):
    def fit(on=service, **fields):
        fields = {"model": "models/aligned", "task": task, "any_options": True, **fields}
        return list(on.calibration.FitCalibrator(pb.FitCalibratorRequest(**fields)))[-1].calibrator

    return fit


@pytest.fixture(scope="module")
def mixed():
    """300 rows of three, four and five scores, twice as sharp as the answers drawn from them."""
    rng = np.random.default_rng(5)
    items = []
    for number in range(300):
        row = rng.normal(size=3 + number % 3) * 3
        odds = np.exp(row)
        answer = int(rng.choice(len(row), p=odds / odds.sum()))
        items.append(pb.FitScore(logprobs=2 * row, teacher_logprobs=row, answer=answer))
    return items


@pytest.mark.parametrize("method", TEMPERATURES)
def test_mixed_scores_give_the_temperature_that_they_were_drawn_with(fit, mixed, method):
    calibrator = fit(method=method, scores=pb.FitScores(items=mixed))
    assert calibrator.scope.options == 0
    taught = method != pb.METHOD_TEMPERATURE
    assert calibrator.temperature == pytest.approx(2, rel=1e-6 if taught else 0.2)
    assert calibrator.provenance.items == 300


def test_items_of_one_number_give_what_they_give_to_that_number(fit, mixed):
    four = pb.FitScores(items=[item for item in mixed if len(item.logprobs) == 4])
    alone = fit(method=pb.METHOD_TEMPERATURE, scores=four, any_options=False)
    assert alone.scope.options == 4
    any_number = fit(method=pb.METHOD_TEMPERATURE, scores=four)
    assert any_number.temperature == alone.temperature
    assert any_number.metrics == alone.metrics


def test_questions_of_mixed_numbers(fit):
    items = [pb.FitQuestion(question=asked(2 + n % 4, n)) for n in range(12)]
    calibrator = fit(method=pb.METHOD_TEACHER_KL, questions=pb.FitQuestions(items=items))
    assert calibrator.temperature == pytest.approx(SHARPNESS, rel=1e-4)
    assert calibrator.scope.options == 0


def test_auto_chooses_among_the_temperatures(fit, mixed):
    calibrator = fit(method=pb.METHOD_AUTO, scores=pb.FitScores(items=mixed[:60]))
    assert calibrator.temperature == pytest.approx(2, rel=0.3)
    excluded = {each.method for each in calibrator.selection.candidates if each.excluded}
    assert excluded >= set(OTHERS)


@pytest.mark.parametrize("fields", [{}, {"options": 0}])
def test_a_method_without_data(fit, fields):
    assert fit(method=pb.METHOD_CONSTANT, **fields).scope.options == 0


@pytest.mark.parametrize("method", OTHERS)
def test_a_method_that_ends_in_no_temperature_is_refused(fit, refused, mixed, method):
    with refused(INVALID, field="any_options") as caught:
        fit(method=method, scores=pb.FitScores(items=mixed))
    assert "is for one number of options" in caught.value.details()


def test_what_has_a_number_of_options_is_refused(fit, refused, mixed):
    with refused(INVALID, field="any_options"):
        fit(
            method=pb.METHOD_TEMPERATURE,
            bias_correction=pb.BIAS_CORRECTION_BATCH,
            scores=pb.FitScores(items=mixed),
        )
    with refused(INVALID, field="options"):
        fit(method=pb.METHOD_IDENTITY, options=4)
    with refused(INVALID, field="scores.items[1].logprobs"):
        fit(method=pb.METHOD_TEMPERATURE, scores=pb.FitScores(items=mixed), any_options=False)


def test_an_answer_and_a_teacher_are_of_the_items_own_options(fit, refused, mixed):
    wrong = pb.FitScore(logprobs=[-1, -2], teacher_logprobs=[-1, -2], answer=2)
    with refused(INVALID, field="scores.items[300].answer"):
        fit(method=pb.METHOD_TEMPERATURE, scores=pb.FitScores(items=[*mixed, wrong]))
    longer = pb.FitScore(logprobs=[-1, -2], teacher_logprobs=[-1, -2, -3])
    with refused(INVALID, field="scores.items[300].teacher_logprobs"):
        fit(method=pb.METHOD_TEACHER_KL, scores=pb.FitScores(items=[*mixed, longer]))


def test_the_one_for_so_many_options_comes_first(start_service, fit):
    service = start_service()

    def of(temperature, **fields):
        return fit(
            on=service, method=pb.METHOD_CONSTANT, temperature=temperature, activate=True, **fields
        ).name

    def applied():
        rows = [pb.OptionScores(logprobs=[-1.0, -2, -3, -4][:count]) for count in (3, 4)]
        request = pb.CalibrateRequest(model="models/aligned", task="own", items=rows)
        outcomes = service.calibration.Calibrate(request).outcomes
        batch = scoring_pb2.BatchScoreRequest(
            settings=scoring_pb2.ScoreSettings(model="models/aligned", task="own"),
            questions=[asked(3), asked(4)],
        )
        answers = [each.answer for each in service.scoring.BatchScore(batch).outcomes]
        names = [each.scores.calibrator for each in outcomes]
        assert [answer.calibrator for answer in answers] == names
        for answer in answers:
            powers = np.array([each.probability for each in answer.options]) ** (
                1 / temperatures[answer.calibrator]
            )
            calibrated = [each.calibrated_probability for each in answer.options]
            assert calibrated == pytest.approx(powers / powers.sum())
        return names

    default = of(2.0, task="")
    temperatures = {default: 2.0}
    assert applied() == [default, default]
    exact = of(3.0, task="", any_options=False, options=4)
    temperatures[exact] = 3.0
    assert applied() == [default, exact]
    own = of(4.0, task="own")
    temperatures[own] = 4.0
    assert applied() == [own, own], "the task's own comes before any default"
    own_exact = of(5.0, task="own", any_options=False, options=3)
    temperatures[own_exact] = 5.0
    assert applied() == [own_exact, own]


def test_an_evaluation_of_mixed_items(service, fit, mixed, refused):
    calibrator = fit(method=pb.METHOD_CONSTANT, temperature=2)

    def evaluated(name, items):
        request = pb.EvaluateCalibratorRequest(name=name, scores=pb.FitScores(items=items))
        return list(service.calibration.EvaluateCalibrator(request))[-1].report

    report = evaluated(calibrator.name, mixed)
    rows = [np.array(item.logprobs) for item in mixed]
    for part, temperature in ((report.before, 1), (report.after, 2)):
        powers = [np.exp(row / temperature) for row in rows]
        right = [p[item.answer] / p.sum() for p, item in zip(powers, mixed, strict=True)]
        assert part.metrics["nll"].value == pytest.approx(-np.log(right).mean())
    # Too few for any promise, so every option is in a set, and none that an item does not have.
    few = evaluated(calibrator.name, mixed[:6])
    assert [each.mean_size for each in few.answer_sets] == [4, 4]
    four = fit(method=pb.METHOD_IDENTITY, options=4, any_options=False)
    with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
        evaluated(four.name, mixed)
    with refused(INVALID, field="scores.items[1]"):
        evaluated(four.name, mixed[1:])


def test_an_evaluation_asks_questions_of_mixed_numbers(service, fit):
    calibrator = fit(method=pb.METHOD_CONSTANT)
    items = [pb.FitQuestion(question=asked(2 + n % 3, n), answer=n % 2) for n in range(9)]
    request = pb.EvaluateCalibratorRequest(
        name=calibrator.name, questions=pb.FitQuestions(items=items)
    )
    *_, last = service.calibration.EvaluateCalibrator(request)
    assert last.report.items == 9
