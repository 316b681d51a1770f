"""Metrics of confidences alone, against their definitions and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from trueodds_service.core.metrics.confidences import (
    evaluate_confidences,
    null_confidence_errors,
    paired_confidence_intervals,
)
from trueodds_service.core.metrics.reliability import ece, null_ece

RNG = np.random.default_rng(7)
CONFIDENCE = RNG.uniform(0.01, 0.99, 500)
CORRECT = RNG.random(500) < CONFIDENCE**2


def test_they_are_those_of_the_answer_being_right():
    found = evaluate_confidences(CONFIDENCE, CORRECT)
    assert found["brier"] == pytest.approx(brier_score_loss(CORRECT, CONFIDENCE))
    assert found["nll"] == pytest.approx(log_loss(CORRECT, CONFIDENCE))
    assert found["auroc"] == pytest.approx(roc_auc_score(CORRECT, CONFIDENCE))
    assert found["ece"] == pytest.approx(ece(CONFIDENCE, CORRECT))
    assert found["null_ece"] == null_ece(CONFIDENCE)
    assert found["accuracy"] == pytest.approx(CORRECT.mean())
    assert found["confidence"] == pytest.approx(CONFIDENCE.mean())
    reliability, resolution, uncertainty = (
        found[f"brier_{part}"] for part in ("reliability", "resolution", "uncertainty")
    )
    assert found["brier"] == pytest.approx(reliability - resolution + uncertainty)
    assert "ece_classwise" not in found


def test_a_wrong_certainty_is_finite():
    found = evaluate_confidences([1.0, 0.0], [False, False])
    assert found["nll"] == pytest.approx(87.3 / 2, rel=1e-3)


def test_the_null_errors_are_the_mean_of_drawn_truths():
    rng = np.random.default_rng(1)
    drawn = [evaluate_confidences(CONFIDENCE, rng.random(500) < CONFIDENCE) for _ in range(200)]
    for name, value in null_confidence_errors(CONFIDENCE).items():
        assert value == pytest.approx(np.mean([each[name] for each in drawn]), rel=0.2)


def test_paired_intervals_hold_the_values():
    after = CONFIDENCE**2
    found = paired_confidence_intervals(CONFIDENCE, after, CORRECT)
    before = evaluate_confidences(CONFIDENCE, CORRECT)
    assert found.keys() == before.keys() - {"null_ece"}
    for name in ("brier", "nll", "confidence"):
        assert found[name].before.low < before[name] < found[name].before.high
    assert found["nll"].difference.high < 0
    with pytest.raises(ValueError, match="confidence"):
        paired_confidence_intervals([1.5], [0.5], [True])
