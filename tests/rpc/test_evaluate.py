"""EvaluateCalibrator: progress, then a report whose numbers can be checked by hand."""

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import scoring_pb2
from trueodds_service.core.metrics.null_errors import ERRORS

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
TEMPERATURE = 2.0
N, K = 400, 4


def softmax(rows, temperature=1.0):
    powers = np.exp(rows / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def rows():
    """Scores that are twice as sharp as the answers drawn from them."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(N, K)) * 3
    return TEMPERATURE * logits, [int(rng.choice(K, p=row)) for row in softmax(logits)]


def store(service, **fields):
    """Stores a calibrator of the temperature that the rows need."""
    fields = {"model": "models/aligned", "method": pb.METHOD_CONSTANT, "options": K, **fields}
    request = pb.FitCalibratorRequest(temperature=TEMPERATURE, **fields)
    [event] = service.calibration.FitCalibrator(request)
    return event.calibrator


@pytest.fixture
def constant(service, task):
    return lambda on=service: store(on, task=task)


@pytest.fixture
def evaluate(service):
    def evaluate(name, on=service, **fields):
        request = pb.EvaluateCalibratorRequest(name=name, **fields)
        return list(on.calibration.EvaluateCalibrator(request))

    return evaluate


def scores_of(rows, answers):
    items = [
        pb.FitScore(logprobs=row, answer=answer) for row, answer in zip(rows, answers, strict=True)
    ]
    return pb.FitScores(items=items)


def questions_of(questions, answers):
    items = [
        pb.FitQuestion(question=question, answer=answer)
        for question, answer in zip(questions, answers, strict=True)
    ]
    return pb.FitQuestions(items=items)


@pytest.fixture(scope="module")
def report(service, rows):
    """Of a calibrator that no other test has."""
    name = store(service, task="evaluated").name
    request = pb.EvaluateCalibratorRequest(name=name, scores=scores_of(*rows))
    [event] = service.calibration.EvaluateCalibrator(request)
    return event.report


def test_the_metrics_are_of_the_distribution_before_and_after(report, rows):
    scores, answers = rows
    assert report.calibrator.scope.task == "evaluated"
    assert report.items == N
    for side, temperature in ((report.before, 1.0), (report.after, TEMPERATURE)):
        probs = softmax(scores, temperature)
        right = probs[np.arange(N), answers]
        metrics = {name: each.value for name, each in side.metrics.items()}
        assert metrics["nll"] == pytest.approx(-np.log(right).mean())
        errors = (probs - np.eye(K)[answers]) ** 2
        assert metrics["brier"] == pytest.approx(errors.sum(axis=1).mean())
        assert metrics["confidence"] == pytest.approx(probs.max(axis=1).mean())
        assert metrics["accuracy"] == np.mean(probs.argmax(axis=1) == answers)
        parts = [metrics[f"brier_{part}"] for part in ("reliability", "resolution", "uncertainty")]
        assert metrics["brier"] == pytest.approx(parts[0] - parts[1] + parts[2])
    assert report.after.metrics["ece"].value < report.before.metrics["ece"].value


def test_every_metric_has_an_interval_and_a_paired_difference(report):
    for side in (report.before, report.after):
        for name, each in side.metrics.items():
            assert each.lower <= each.upper
            if name.startswith("null_"):
                assert each.lower == each.value == each.upper
                assert name.removeprefix("null_") in side.metrics
        assert side.metrics["nll"].lower < side.metrics["nll"].value < side.metrics["nll"].upper
        assert {f"null_{name}" for name in ERRORS} <= side.metrics.keys()
    assert all(name in report.differences or name.startswith("null_") for name in side.metrics)
    assert report.differences.keys() <= report.before.metrics.keys()
    nll = report.differences["nll"]
    before, after = (side.metrics["nll"].value for side in (report.before, report.after))
    assert nll.value == pytest.approx(after - before)
    assert nll.lower < nll.value < nll.upper < 0
    accuracy = report.differences["accuracy"]
    assert (accuracy.lower, accuracy.value, accuracy.upper) == (0, 0, 0)


def test_bins_hold_all_items_and_add_up_to_the_error(report):
    for side in (report.before, report.after):
        for bins, metric in ((side.equal_width, "ece"), (side.equal_mass, "ece_equal_mass")):
            assert sum(each.count for each in bins) == N
            gaps = [each.count * abs(each.accuracy - each.confidence) for each in bins]
            assert sum(gaps) / N == pytest.approx(side.metrics[metric].value)
            for each in bins:
                assert each.count > 0
                assert each.lower <= each.confidence <= each.upper
                assert 0 <= each.accuracy_lower <= each.accuracy <= each.accuracy_upper <= 1
                assert each.accuracy_lower < each.accuracy_upper


def test_the_curve_falls_in_confidence_and_ends_at_the_error_rate(report):
    for side in (report.before, report.after):
        points = side.risk_coverage
        assert 2 <= len(points) <= 200
        confidences = [each.min_confidence for each in points]
        assert confidences == sorted(confidences, reverse=True)
        assert points[-1].coverage == 1
        assert points[-1].risk == pytest.approx(1 - side.metrics["accuracy"].value)


def test_an_abstention_rule_keeps_its_risk_when_it_is_applied(service, report, rows):
    scores, answers = rows
    items = [pb.OptionScores(logprobs=row) for row in scores]
    request = pb.CalibrateRequest(name=report.calibrator.name, items=items)
    # The service's own numbers: a threshold may be as near to one of them as numbers can be.
    outcomes = service.calibration.Calibrate(request).outcomes
    probs = np.array([each.scores.calibrated_probabilities for each in outcomes])
    assert [each.target_risk for each in report.abstentions] == [0.01, 0.05, 0.1, 0.2]
    assert report.abstentions[-1].HasField("min_confidence")
    for rule in report.abstentions:
        if not rule.HasField("min_confidence"):
            assert (rule.coverage, rule.risk, rule.risk_upper_bound) == (0, 0, 0)
            continue
        answered = probs.max(axis=1) >= rule.min_confidence
        assert answered.mean() == pytest.approx(rule.coverage)
        wrong = probs.argmax(axis=1)[answered] != np.array(answers)[answered]
        assert wrong.mean() == pytest.approx(rule.risk)
        assert rule.risk <= rule.risk_upper_bound <= rule.target_risk


def test_answer_sets_cover_what_they_promise(report, rows):
    answers = rows[1]
    probs = softmax(rows[0], TEMPERATURE)
    assert [each.rule.method for each in report.answer_sets] == [
        scoring_pb2.ANSWER_SET_METHOD_LAC,
        scoring_pb2.ANSWER_SET_METHOD_APS,
    ]
    for each in report.answer_sets:
        assert each.miscoverage == 0.1
        assert 0.9 <= each.coverage <= 1
        assert 1 <= each.mean_size <= K
        assert 0 <= each.rule.threshold <= 1
    lac = report.answer_sets[0]
    held = (1 - probs <= lac.rule.threshold) | (probs == probs.max(axis=1, keepdims=True))
    assert held[np.arange(N), answers].mean() == pytest.approx(lac.coverage)
    assert held.sum(axis=1).mean() == pytest.approx(lac.mean_size)
    assert (held.sum(axis=1) == 1).mean() == pytest.approx(lac.singletons)


def test_rates_of_ones_own(constant, evaluate, rows):
    [event] = evaluate(
        constant().name, scores=scores_of(*rows), target_risks=[0.3], miscoverages=[0.2, 0.4]
    )
    assert [each.target_risk for each in event.report.abstentions] == [0.3]
    assert [each.miscoverage for each in event.report.answer_sets] == [0.2, 0.2, 0.4, 0.4]
    sizes = [each.mean_size for each in event.report.answer_sets]
    assert sizes[0] > sizes[2]


def test_from_questions_it_is_what_it_is_from_their_scores(service, constant, evaluate, question):
    questions = [question(f"Question {number}?") for number in range(70)]
    answers = [number % K for number in range(70)]
    name = constant().name
    *progress, last = evaluate(name, questions=questions_of(questions, answers))
    counts = [(each.progress.done, each.progress.total) for each in progress]
    assert counts == [(64, 70), (70, 70)]
    scored = [
        [option.score for option in outcome.answer.options] for outcome in service.batch(questions)
    ]
    [event] = evaluate(name, scores=scores_of(scored, answers))
    assert event.report == last.report


def test_the_items_of_the_fit_are_known_again(service, task, rows, evaluate):
    request = pb.FitCalibratorRequest(
        model="models/aligned", task=task, method=pb.METHOD_TEMPERATURE, scores=scores_of(*rows)
    )
    [fitted] = service.calibration.FitCalibrator(request)
    calibrator = fitted.calibrator
    [event] = evaluate(calibrator.name, scores=scores_of(*rows))
    assert event.report.data_hash == calibrator.provenance.data_hash
    scores, answers = rows
    [event] = evaluate(calibrator.name, scores=scores_of(scores[1:], answers[1:]))
    assert event.report.data_hash != calibrator.provenance.data_hash
    for name in ("nll", "brier", "ece", "confidence"):
        assert calibrator.metrics[f"{name}_after"] > 0


@pytest.mark.parametrize("method", ["LAC", "APS"])
def test_an_answer_tells_the_set_of_a_rule(
    service, constant, evaluate, question, task, rows, method
):
    calibrator = constant()
    [event] = evaluate(calibrator.name, scores=scores_of(*rows))
    wanted = scoring_pb2.AnswerSetMethod.Value(f"ANSWER_SET_METHOD_{method}")
    [rule] = [each.rule for each in event.report.answer_sets if each.rule.method == wanted]
    sizes = set()
    for number in range(30):
        answer = service.score(
            question(f"{number}?"), task=task, calibrator=calibrator.name, answer_set=rule
        )
        probs = np.array([each.calibrated_probability for each in answer.options])
        order = (-probs).argsort(kind="stable")
        upto = np.cumsum(probs[order]) <= rule.threshold
        inside = upto if method == "APS" else 1 - probs[order] <= rule.threshold
        inside[0] = True
        assert list(answer.answer_set) == order[inside].tolist()
        sizes.add(len(answer.answer_set))
    assert len(sizes) > 1
    rule.threshold = 1
    answer = service.score(question(), task=task, calibrator=calibrator.name, answer_set=rule)
    assert sorted(answer.answer_set) == [*range(K)]
    assert not service.score(question(), task=task, calibrator=calibrator.name).answer_set


class TestRefused:
    def test_what_is_wrong_with_a_request(self, evaluate, constant, rows, refused, question):
        name = constant().name
        scores, answers = rows
        few = scores_of(scores[:3], answers[:3])
        unknown = pb.FitScores(items=[*few.items, pb.FitScore(logprobs=[0] * K)])
        bare = pb.FitQuestions(items=[pb.FitQuestion(question=question())])
        for fields, field in (
            ({}, "source"),
            ({"scores": pb.FitScores()}, "scores.items"),
            ({"scores": unknown}, "scores.items[3].answer"),
            ({"questions": bare}, "questions.items[0].answer"),
            ({"scores": few, "reading": {"format": 99}}, "reading.format"),
            ({"scores": few, "target_risks": [0.1, 1.0]}, "target_risks[1]"),
            ({"scores": few, "target_risks": [float("nan")]}, "target_risks[0]"),
            ({"scores": few, "miscoverages": [0.0]}, "miscoverages[0]"),
            ({"scores": few, "miscoverages": [0.5] * 33}, "miscoverages"),
        ):
            with refused(INVALID, field=field):
                evaluate(name, **fields)
        with refused(INVALID, field="name"):
            evaluate("models/aligned", scores=few)

    def test_what_the_calibrator_is_not_for(self, evaluate, constant, rows, refused, question):
        name = constant().name
        scores, answers = rows
        letter = {"format": "FORMAT_LETTER"}
        others = questions_of([question(options=3)], [0])
        for fields in (
            {"scores": scores_of(scores[:, :3], [0] * N)},
            {"scores": scores_of(scores, answers), "reading": letter},
            {"questions": others},
            {"questions": questions_of([question()], [0]), "reading": letter},
        ):
            with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
                evaluate(name, **fields)

    def test_a_calibrator_that_is_not_there(self, evaluate, rows, refused):
        with refused(grpc.StatusCode.NOT_FOUND, reason="CALIBRATOR_NOT_FOUND"):
            evaluate(f"models/aligned/calibrators/{'0' * 16}", scores=scores_of(*rows))

    def test_a_model_whose_engine_is_lost(
        self, start_service, constant, evaluate, question, refused, no_replacement
    ):
        service = start_service()
        name = constant(on=service).name
        service.run(service.app.model_lost("aligned"))
        with refused(grpc.StatusCode.UNAVAILABLE, reason="ENGINE_LOST"):
            evaluate(name, on=service, questions=questions_of([question()], [0]))

    @pytest.mark.parametrize(
        ("rule", "field"),
        [
            ({"threshold": 0.5}, "settings.answer_set.method"),
            ({"method": 9, "threshold": 0.5}, "settings.answer_set.method"),
            ({"method": 1, "threshold": 1.5}, "settings.answer_set.threshold"),
            ({"method": 2, "threshold": float("nan")}, "settings.answer_set.threshold"),
        ],
    )
    def test_a_rule_that_is_none(self, service, constant, question, refused, rule, field):
        with refused(INVALID, field=field):
            service.score(question(), calibrator=constant().name, answer_set=rule)

    def test_a_rule_without_its_calibrator(self, service, question, refused):
        with refused(INVALID, field="settings.calibrator"):
            service.score(question(), answer_set={"method": 1, "threshold": 0.5})

    @pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
    def test_a_least_confidence_that_is_none(self, service, question, refused, least):
        with refused(INVALID, field="settings.min_confidence"):
            service.score(question(), min_confidence=least)
