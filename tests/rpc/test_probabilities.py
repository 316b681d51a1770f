"""Scores that another service told: probabilities that say so, and confidences alone."""

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2 as pb

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
STEP = 0.01
MAPS = {
    "METHOD_IDENTITY",
    "METHOD_KDE",
    "METHOD_ISOTONIC",
    "METHOD_BETA",
    "METHOD_SCALING_BINNING",
}


@pytest.fixture
def fit(service, task):
    def fit(items, method=pb.METHOD_BETA, step=STEP, on=service, scores=None, **fields):
        request = pb.FitCalibratorRequest(
            **{"model": "models/aligned", "task": task, "method": method, **fields},
            scores=pb.FitScores(items=items, probability_step=step, **(scores or {})),
        )
        return list(on.calibration.FitCalibrator(request))[-1].calibrator

    return fit


@pytest.fixture
def evaluate(service):
    def evaluate(name, items, step=STEP, **fields):
        request = pb.EvaluateCalibratorRequest(
            name=name, scores=pb.FitScores(items=items, probability_step=step), **fields
        )
        return list(service.calibration.EvaluateCalibrator(request))[-1].report

    return evaluate


@pytest.fixture
def calibrate(service):
    def calibrate(*items, step=STEP, **fields):
        request = pb.CalibrateRequest(items=items, probability_step=step, **fields)
        return service.calibration.Calibrate(request)

    return calibrate


def rows(n, seed=0):
    """Rows of three options in steps of 0.01, some of them zero, and the right options."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(n, 3))
    true = np.exp(logits / 3)
    true /= true.sum(axis=1, keepdims=True)
    told = np.exp(logits)
    told = (told / told.sum(axis=1, keepdims=True)).round(2)
    return told, [int(rng.choice(3, p=row)) for row in true]


def claims(n, seed=0):
    """Confidences in steps of 0.01, down to none at all, that are right half as often."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(size=n).round(2)
    return [
        pb.FitScore(confidence=c, correct=bool(right))
        for c, right in zip(confidence, rng.random(n) < confidence / 2, strict=True)
    ]


def lifted(row):
    """Zeros by half a step, or by their share of what all others may have been rounded up by."""
    zeros = np.count_nonzero(row == 0)
    rounded_up = max(1 - row.sum(), 0) + (len(row) - zeros) * STEP / 2
    row = np.where(row == 0, min(STEP / 2, rounded_up / max(zeros, 1)), row)
    return row / row.sum()


WRONG_ROWS = {
    "NaN": ([np.nan, 0.5], STEP, "NaN or a number outside [0, 1]"),
    "below none": ([-0.1, 1.1], STEP, "NaN or a number outside [0, 1]"),
    "no sum of one": ([0.5, 0.4], STEP, "sums to 0.9, and rounding explains 0.01 off 1"),
    "exact, and no sum of one": ([0.5, 0.49], 0, "rounding explains 0.001 off 1"),
    "nothing": ([0.0, 0.0], STEP, "gives no option any probability"),
    "too fine": ([0.999, 0.001], STEP, "more finely than in steps of 0.01"),
    "of one option": ([1.0], STEP, "has 1; from 2 to "),
}


class TestProbabilities:
    def test_a_fit_is_that_of_their_logarithms(self, fit):
        told, answers = rows(60)
        assert (told == 0).any()
        of_told, of_logs = (
            fit(
                [
                    pb.FitScore(answer=answer, **{name: row})
                    for row, answer in zip(values, answers, strict=True)
                ],
                pb.METHOD_TEMPERATURE,
                step,
            )
            for name, values, step in (
                ("probabilities", told, STEP),
                ("logprobs", np.log([lifted(row) for row in told]), 0),
            )
        )
        assert of_told.temperature == pytest.approx(of_logs.temperature)
        assert of_told.temperature > 2
        assert of_told.scope == of_logs.scope

    def test_a_teachers_may_be_told_so_too(self, fit):
        told, _ = rows(30)
        told = np.array([lifted(row) for row in told])
        sharp = told**1.7 / (told**1.7).sum(axis=1, keepdims=True)
        for model in (
            ({"probabilities": row} for row in sharp),
            ({"logprobs": row} for row in np.log(sharp)),
        ):
            items = [
                pb.FitScore(teacher_probabilities=row, **own)
                for row, own in zip(told, model, strict=True)
            ]
            fitted = fit(items, pb.METHOD_TEACHER_KL, 0)
            assert fitted.temperature == pytest.approx(1.7, rel=1e-4)

    def test_without_content_as_well(self, fit, calibrate):
        """What the model gives labels whatever the question is divided out."""
        items = [pb.FitScore(probabilities=[0.6, 0.4])] * 2
        scores = {"content_free": [pb.OptionScores(probabilities=[0.75, 0.25])]}
        correction = {"bias_correction": pb.BIAS_CORRECTION_CONTEXTUAL}
        name = fit(items, pb.METHOD_IDENTITY, 0, scores=scores, **correction).name
        [outcome] = calibrate(
            pb.OptionScores(probabilities=[0.75, 0.25]), step=0, name=name
        ).outcomes
        assert outcome.scores.calibrated_probabilities == pytest.approx([0.5, 0.5])

    def test_an_evaluation_and_calibrated_rows(self, fit, evaluate, calibrate):
        told, answers = rows(200)
        items = [
            pb.FitScore(probabilities=row, answer=answer)
            for row, answer in zip(told, answers, strict=True)
        ]
        fitted = fit(items[:100], pb.METHOD_TEMPERATURE)
        report = evaluate(fitted.name, items[100:])
        assert report.after.metrics["nll"].value < report.before.metrics["nll"].value
        outcomes = calibrate(
            *[pb.OptionScores(probabilities=row) for row in told[:5]], name=fitted.name
        ).outcomes
        for outcome, row in zip(outcomes, told, strict=False):
            assert outcome.scores.probabilities == pytest.approx(lifted(row))
            powers = lifted(row) ** (1 / fitted.temperature)
            expected = powers / powers.sum()
            assert outcome.scores.calibrated_probabilities == pytest.approx(expected)

    @pytest.mark.parametrize(("row", "step", "told"), WRONG_ROWS.values(), ids=WRONG_ROWS)
    def test_a_row_that_is_none(self, fit, calibrate, refused, details, row, step, told):
        right = pb.FitScore(probabilities=[0.5, 0.5], answer=0)
        items = [right] * 5 + [pb.FitScore(probabilities=row, answer=0)]
        with refused(INVALID, field="scores.items[5].probabilities") as error:
            fit(items, pb.METHOD_TEMPERATURE, step)
        assert told in error.value.details()
        name = fit([right] * 5, pb.METHOD_IDENTITY).name
        good, bad = calibrate(
            pb.OptionScores(probabilities=[0.5, 0.5]),
            pb.OptionScores(probabilities=row),
            step=step,
            name=name,
        ).outcomes
        assert good.HasField("scores")
        assert details(bad.error)["field"] == "items[1].probabilities"

    def test_a_zero_without_a_step_shows_the_choice(self, fit, refused):
        items = [pb.FitScore(probabilities=[1.0, 0.0], answer=0)] * 5
        with refused(
            INVALID, field="scores.items[0].probabilities", reason="ZERO_PROBABILITY"
        ) as error:
            fit(items, pb.METHOD_TEMPERATURE, 0)
        assert "probability_step" in error.value.details()
        assert "0.01" in error.value.details()

    @pytest.mark.parametrize("step", [-0.01, np.nan, 0.5])
    def test_a_step_that_is_none(self, fit, calibrate, refused, step):
        items = [pb.FitScore(probabilities=[0.5, 0.5], answer=0)] * 5
        with refused(INVALID, field="scores.probability_step"):
            fit(items, step=step)
        with refused(INVALID, field="probability_step"):
            calibrate(pb.OptionScores(confidence=0.5), step=step, model="models/aligned")

    def test_logprobs_are_rounded_to_no_step(self, fit, refused):
        items = [pb.FitScore(logprobs=[-1.0, -2.0], answer=0)] * 5
        with refused(INVALID, field="scores.probability_step"):
            fit(items)

    def test_an_item_says_one_thing_and_all_items_the_same(self, fit, calibrate, refused, details):
        both = pb.FitScore(probabilities=[0.5, 0.5], logprobs=[-1.0, -1.0], answer=0)
        other = pb.FitScore(logprobs=[-1.0, -2.0], answer=0)
        right = pb.FitScore(probabilities=[0.5, 0.5], answer=0)
        with refused(INVALID, field="scores.items[1].probabilities"):
            fit([right, both])
        with refused(INVALID, field="scores.items[1].logprobs"):
            fit([right, other])
        taught = {"teacher_logprobs": [-1.0, -1.0], "teacher_probabilities": [0.5, 0.5]}
        with refused(INVALID, field="scores.items[0].teacher_probabilities"):
            fit([pb.FitScore(probabilities=[0.5, 0.5], **taught)], pb.METHOD_TEACHER_KL)
        own = {"logprobs": [-1.0, -2.0]}
        mixed = [
            pb.FitScore(teacher_probabilities=[0.5, 0.5], **own),
            pb.FitScore(teacher_logprobs=[-1.0, -1.0], **own),
        ]
        for items, wrong in ((mixed, "teacher_logprobs"), (mixed[::-1], "teacher_probabilities")):
            with refused(INVALID, field=f"scores.items[1].{wrong}"):
                fit(items, pb.METHOD_TEACHER_KL, 0)
        name = fit([right] * 5, pb.METHOD_IDENTITY).name
        outcomes = calibrate(
            pb.OptionScores(probabilities=[0.5, 0.5]),
            pb.OptionScores(logprobs=[-1.0, -2.0]),
            pb.OptionScores(confidence=0.5),
            name=name,
        ).outcomes
        fields = [details(each.error)["field"] for each in outcomes if each.HasField("error")]
        assert fields == ["items[1].logprobs", "items[2].confidence"]


WRONG_ITEMS = {
    "NaN": ({"confidence": np.nan, "correct": True}, STEP, "confidence"),
    "above one": ({"confidence": 1.5, "correct": True}, STEP, "confidence"),
    "too fine": ({"confidence": 0.9991, "correct": True}, STEP, "confidence"),
    "certain without a step": ({"confidence": 1.0, "correct": True}, 0, "confidence"),
    "nothing known": ({"confidence": 0.5}, STEP, "correct"),
    "an option": ({"confidence": 0.5, "correct": True, "answer": 0}, STEP, "answer"),
    "a teacher": (
        {"confidence": 0.5, "correct": True, "teacher_logprobs": [-1.0]},
        STEP,
        "teacher_logprobs",
    ),
    "missing": ({"correct": True}, STEP, "confidence"),
    "a row": ({"probabilities": [0.5, 0.5], "answer": 0}, STEP, "probabilities"),
    "both": ({"confidence": 0.5, "probabilities": [0.5, 0.5]}, STEP, "confidence"),
}


class TestConfidencesAlone:
    @pytest.mark.parametrize("method", sorted(MAPS))
    def test_a_map_is_fitted_measured_and_applied(self, fit, evaluate, calibrate, method):
        fitted = fit(claims(300), pb.Method.Value(method))
        assert (fitted.scope.reading, fitted.scope.options) == ("confidence", 0)
        assert fitted.provenance.labelled == 300
        report = evaluate(fitted.name, claims(300, seed=1))
        told = calibrate(pb.OptionScores(confidence=0.3), name=fitted.name).outcomes[0].scores
        assert told.confidence == pytest.approx(0.3)
        if method in ("METHOD_BETA", "METHOD_ISOTONIC"):
            assert report.after.metrics["ece"].value < report.before.metrics["ece"].value / 2
            assert told.calibrated_confidence == pytest.approx(0.15, abs=0.1)
        if method == "METHOD_IDENTITY":
            assert told.calibrated_confidence == pytest.approx(0.3)
            assert report.differences["ece"].value == 0

    def test_an_outcome_is_a_confidence_and_no_more(self, fit, calibrate):
        name = fit(claims(100)).name
        response = calibrate(
            pb.OptionScores(confidence=1), pb.OptionScores(confidence=0), name=name
        )
        first, last = (each.scores for each in response.outcomes)
        assert (first.confidence, last.confidence) == pytest.approx((0.995, 0.005))
        assert 1 > first.calibrated_confidence > last.calibrated_confidence > 0
        assert not first.probabilities
        assert not first.calibrated_probabilities
        assert not first.HasField("choice")
        assert first.calibrator == response.calibrator == name

    def test_the_report_is_of_answers_being_right(self, fit, evaluate):
        name = fit(claims(100)).name
        items = claims(200, seed=1)
        report = evaluate(name, items, target_risks=[0.9])
        said = np.clip([each.confidence for each in items], 0.005, 0.995)
        right = np.array([each.correct for each in items])
        metrics = {name: each.value for name, each in report.before.metrics.items()}
        assert metrics["brier"] == pytest.approx(np.mean((said - right) ** 2))
        assert metrics["nll"] == pytest.approx(-np.log(np.where(right, said, 1 - said)).mean())
        assert metrics["accuracy"] == pytest.approx(right.mean())
        assert 0 < metrics["null_ece"] < metrics["ece"]
        assert sum(each.count for each in report.after.equal_width) == 200
        [rule] = report.abstentions
        assert rule.coverage == 1
        assert not report.answer_sets

    def test_auto_chooses_among_the_maps(self, fit):
        fitted = fit(claims(300), pb.METHOD_AUTO)
        assert pb.Method.Name(fitted.method) in MAPS - {"METHOD_IDENTITY"}
        compared = {
            pb.Method.Name(each.method)
            for each in fitted.selection.candidates
            if each.HasField("score")
        }
        assert compared == MAPS

    @pytest.mark.parametrize("method", ["METHOD_TEMPERATURE", "METHOD_TEACHER_KL", "METHOD_MATRIX"])
    def test_other_methods_say_which_can(self, fit, refused, method):
        with refused(INVALID, field="method") as error:
            fit(claims(20), pb.Method.Value(method))
        assert all(name in error.value.details() for name in (method, *MAPS, "METHOD_AUTO"))

    def test_what_is_active_for_the_task(self, start_service, fit, task, refused):
        service = start_service()

        def calibrated(**fields):
            request = pb.CalibrateRequest(model="models/aligned", task=task, **fields)
            return service.calibration.Calibrate(request)

        alone = [pb.OptionScores(confidence=0.5)]
        with refused(FAILED_PRECONDITION, reason="NO_CALIBRATOR") as error:
            calibrated(items=alone)
        assert "confidences alone" in error.value.details()
        name = fit(claims(100), on=service, activate=True).name
        assert calibrated(items=alone).calibrator == name
        with refused(FAILED_PRECONDITION, reason="NO_CALIBRATOR"):
            calibrated(items=[pb.OptionScores(logprobs=[-1.0, -2.0])])

    def test_it_is_for_nothing_else(self, fit, calibrate, evaluate, refused):
        """A map of one service's confidences never meets rows, nor theirs a confidence."""
        rows_of = [pb.FitScore(probabilities=[0.7, 0.3], answer=0)] * 6
        of_rows, of_alone = fit(rows_of, pb.METHOD_BETA).name, fit(claims(50)).name
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
            calibrate(pb.OptionScores(probabilities=[0.7, 0.3]), name=of_alone)
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
            evaluate(of_alone, rows_of)
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH") as error:
            calibrate(pb.OptionScores(confidence=0.7), name=of_rows)
        assert "METHOD_BETA" in error.value.details()
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
            evaluate(of_rows, claims(50))

    @pytest.mark.parametrize(("item", "step", "field"), WRONG_ITEMS.values(), ids=WRONG_ITEMS)
    def test_an_item_that_is_none(self, fit, refused, item, step, field):
        items = [pb.FitScore(confidence=0.5, correct=True), pb.FitScore(**item)]
        with refused(INVALID, field=f"scores.items[1].{field}"):
            fit(items, step=step)

    def test_a_row_has_no_correct(self, fit, refused):
        with refused(INVALID, field="scores.items[0].correct"):
            fit([pb.FitScore(probabilities=[0.5, 0.5], correct=True)])

    def test_what_has_no_meaning_for_them(self, fit, evaluate, calibrate, refused):
        letter = {"format": "FORMAT_LETTER"}
        name = fit(claims(20)).name
        with refused(INVALID, field="reading"):
            fit(claims(20), reading=letter)
        with refused(INVALID, field="reading"):
            evaluate(name, claims(20), reading=letter)
        with refused(INVALID, field="reading"):
            calibrate(pb.OptionScores(confidence=0.5), name=name, reading=letter)
        with refused(INVALID, field="miscoverages"):
            evaluate(name, claims(20), miscoverages=[0.1])
        with refused(INVALID, field="bias_correction"):
            fit(claims(20), bias_correction=pb.BIAS_CORRECTION_BATCH)

    def test_any_number_of_options_is_what_they_are_for(self, fit):
        assert fit(claims(50), any_options=True).scope.options == 0

    def test_too_few_answers(self, fit, refused):
        with refused(INVALID, field="scores.items", reason="TOO_FEW_ITEMS"):
            fit(claims(4))
