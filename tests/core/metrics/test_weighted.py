"""Metrics by their laws, and beside scikit-learn, uncertainty-calibration and relplot."""

import calibration as uncertainty_calibration
import numpy as np
import pytest
import relplot
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.metrics.evaluate import Metrics, evaluate, intervals
from trueodds_service.core.metrics.selective import risk_coverage

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

FIELDS = [name for name in Metrics.__dataclass_fields__ if name not in {"n", "null_ece"}]


def sample(seed: int, n: int, sharpness: float = 1.7) -> tuple[Array, Labels]:
    generator = np.random.default_rng(seed)
    z = generator.normal(0, 1.5, (n, 4))
    draws = generator.random((n, 1))
    labels = np.minimum((softmax(z).cumsum(axis=1) < draws).sum(axis=1), 3)
    return softmax(z * sharpness), labels


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(20, 200))
def test_auroc_agrees_with_scikit_learn_ties_included(seed: int, n: int) -> None:
    p, labels = sample(seed, n)
    p = np.round(p, 1) + 0.01
    p /= p.sum(axis=1, keepdims=True)
    correct = p.argmax(axis=1) == labels
    if 0 < correct.sum() < n:
        expected = roc_auc_score(correct, p.max(axis=1))
        assert evaluate(p, labels).auroc == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_uncertainty_calibration(seed: int) -> None:
    p, labels = sample(seed, 500)
    result = evaluate(p, labels)
    debiased = uncertainty_calibration.lower_bound_scaling_ce(
        p, labels, p=2, debias=True, num_bins=10, mode="top-label"
    )
    assert result.ece_debiased == pytest.approx(debiased)
    correct = p.argmax(axis=1) == labels
    area, _ = uncertainty_calibration.utils.get_selective_stats(p.max(axis=1), correct)
    assert result.aurc == pytest.approx(1 - area)
    errors = [
        uncertainty_calibration.get_ece(p[:, option], (labels == option).astype(int), num_bins=10)
        for option in range(4)
    ]
    assert result.ece_classwise == pytest.approx(np.mean(errors))


@pytest.mark.parametrize("sharpness", [1.0, 1.4, 1.7])
def test_smooth_ece_agrees_with_relplot(sharpness: float) -> None:
    p, labels = sample(0, 1000, sharpness)
    correct = (p.argmax(axis=1) == labels).astype(float)
    # relplot smooths on a grid, cuts wide kernels off, and finds the width to within 1e-3.
    assert evaluate(p, labels).ece_smooth == pytest.approx(
        relplot.smECE(p.max(axis=1), correct), abs=5e-3
    )


def test_smooth_ece_of_answers_overconfident_throughout_is_the_plain_gap() -> None:
    """Then nothing cancels, however wide the smoothing, and the kernel's integral is one."""
    p, labels = sample(0, 1000, sharpness=3.0)
    result = evaluate(p, labels)
    assert result.ece_smooth == pytest.approx(result.confidence - result.accuracy, abs=1e-3)


@pytest.mark.parametrize("sharpness", [1.0, 2.5])
def test_parts_make_up_the_whole(sharpness: float) -> None:
    p, labels = sample(1, 400, sharpness)
    m = evaluate(p, labels)
    parts = m.brier_reliability - m.brier_resolution + m.brier_uncertainty
    assert parts == pytest.approx(m.brier)
    assert m.overconfidence + m.underconfidence == pytest.approx(m.ece)
    assert m.overconfidence - m.underconfidence == pytest.approx(m.confidence - m.accuracy)
    assert m.ece <= m.mce


def test_reliability_is_the_gap_of_each_probability_that_was_told() -> None:
    """Murphy 1973, where each bin holds one probability."""
    told = np.array([[0.9, 0.1], [0.7, 0.3], [0.55, 0.45]])
    which = np.random.default_rng(4).integers(0, 3, 300)
    p, labels = told[which], np.random.default_rng(5).integers(0, 2, 300)
    expected = sum(
        np.mean(which == row)
        * np.sum((told[row] - np.eye(2)[labels[which == row]].mean(axis=0)) ** 2)
        for row in range(3)
    )
    assert evaluate(p, labels).brier_reliability == pytest.approx(expected)


def test_weights_count_as_repetitions() -> None:
    p, labels = sample(2, 150)
    times = np.random.default_rng(0).integers(0, 4, 150)
    items = np.repeat(np.arange(150), times)
    weighted, repeated = evaluate(p, labels, weights=times), evaluate(p[items], labels[items])
    for name in FIELDS:
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name)), name


def test_the_order_of_items_does_not_matter() -> None:
    p, labels = sample(3, 150)
    p = np.round(p, 2) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    order = np.random.default_rng(0).permutation(150)
    one, other = evaluate(p, labels), evaluate(p[order], labels[order])
    for name in [*FIELDS, "null_ece"]:
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name


def test_answers_all_right_or_all_wrong_have_every_metric() -> None:
    p, _ = sample(4, 30)
    for labels in (p.argmax(axis=1), p.argmin(axis=1)):
        for name in FIELDS:
            assert np.isfinite(getattr(evaluate(p, labels), name)), name
        assert evaluate(p, labels).auroc == 0.5
        assert all(
            np.isfinite([each.low, each.high]).all()
            for each in intervals(p, labels, resamples=50).values()
        )
    assert evaluate(p, p.argmax(axis=1)).aurc == 0


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_an_interval_leaves_out_as_many_resamples_as_it_says(level: float) -> None:
    """Below it and above it each, of resamples drawn here; by the law of a quantile's rank."""
    p, labels = sample(0, 200)
    resamples, tail = 1000, (1 - level) / 2
    found = intervals(p, labels, resamples=resamples, level=level)
    said = p[np.arange(200), labels]
    losses = {
        "nll": -np.log(said),
        "brier": 1 - 2 * said + (p**2).sum(axis=1),
        "confidence": p.max(axis=1),
    }
    draws = np.random.default_rng(1).integers(0, 200, (20_000, 200))
    least, most = stats.binom.ppf([0.0005, 0.9995], resamples, tail) / resamples
    for name, loss in losses.items():
        drawn = loss[draws].mean(axis=1)
        below, above = (drawn < found[name].low).mean(), (drawn > found[name].high).mean()
        assert least < below < most, name
        assert least < above < most, name


def test_the_same_arguments_give_the_same_intervals() -> None:
    p, labels = sample(5, 100)
    first = intervals(p, labels, seed=1, resamples=50)
    assert intervals(p, labels, seed=1, resamples=50) == first
    assert intervals(p, labels, seed=2, resamples=50) != first
    narrow, wide = (
        intervals(p, labels, level=level, resamples=200)["nll"] for level in (0.5, 0.95)
    )
    assert wide.low < narrow.low < evaluate(p, labels).nll < narrow.high < wide.high


def test_the_curve_of_risk_and_coverage() -> None:
    curve = risk_coverage([0.9, 0.5, 0.9, 0.7], [True, False, False, True])
    np.testing.assert_allclose(curve.threshold, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [1 / 2, 1 / 3, 1 / 2])


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_refuses_malformed_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^weights must"):
        evaluate([[0.5, 0.5], [0.4, 0.6]], [0, 1], weights=weights)
