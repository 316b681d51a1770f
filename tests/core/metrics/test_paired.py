"""Paired intervals: one set of draws for both distributions, so what they share cancels."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import bootstrap

from trueodds_service.core.metrics.evaluate import evaluate
from trueodds_service.core.metrics.paired import paired_intervals, ratio_interval

N, K = 300, 4


@pytest.fixture(scope="module")
def items():
    """Calibrated distributions, others that are twice as sharp, and answers."""
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(N, K)) * 1.5
    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sharp = soft**2 / (soft**2).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(K, p=row) for row in soft])
    return sharp, soft, labels


def test_the_same_twice_differs_by_nothing(items):
    sharp, _, labels = items
    for each in paired_intervals(sharp, sharp, labels).values():
        assert (each.difference.low, each.difference.high) == (0, 0)
        assert each.before == each.after


def test_the_bounds_are_those_of_a_bootstrap_written_out(items):
    sharp, soft, labels = items
    found = paired_intervals(sharp, soft, labels, resamples=1500)["nll"]
    loss = [-np.log(each[np.arange(N), labels]) for each in (sharp, soft)]
    draws = np.random.default_rng(1).integers(0, N, (20_000, N))
    before, after = (each[draws].mean(axis=1) for each in loss)
    for interval, drawn in (
        (found.before, before),
        (found.after, after),
        (found.difference, after - before),
    ):
        low, high = np.quantile(drawn, [0.025, 0.975])
        # 1,500 resamples tell such a quantile to 0.02 of the width.
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_pairing_tells_apart_what_two_intervals_do_not(items):
    sharp, soft, labels = items
    found = paired_intervals(sharp, soft, labels)["nll"]
    assert found.difference.high < 0
    width = found.difference.high - found.difference.low
    assert width < found.before.high - found.after.low


def test_the_order_of_the_items_of_one_is_that_of_the_other(items):
    """Each metric sorts by its own confidence; a draw is of items all the same."""
    sharp, soft, labels = items
    found = paired_intervals(sharp, soft, labels)["accuracy"]
    assert (found.difference.low, found.difference.high) == (0, 0), "the choices are the same"


def test_every_metric_but_the_null_has_intervals(items):
    sharp, soft, labels = items
    names = paired_intervals(sharp, soft, labels, resamples=2).keys()
    assert names == asdict(evaluate(soft, labels)).keys() - {"n", "null_ece"}


def test_the_same_arguments_give_the_same(items):
    first, second = (paired_intervals(*items, resamples=50) for _ in range(2))
    assert first == second
    assert paired_intervals(*items, resamples=50, seed=1) != first


def test_what_does_not_belong_together_is_refused(items):
    sharp, soft, labels = items
    with pytest.raises(ValueError, match="differ in shape"):
        paired_intervals(sharp, soft[:, :3] / soft[:, :3].sum(axis=1, keepdims=True), labels)
    with pytest.raises(ValueError, match="labels"):
        paired_intervals(sharp, soft, labels[:-1])


def test_a_ratio_of_sums_has_the_interval_that_scipy_gives_it():
    rng = np.random.default_rng(3)
    below = rng.gamma(5, 20, N)
    above = 0.25 * below + below * (rng.random(N) < 0.4)
    found = ratio_interval(above, below, resamples=5_000)
    wanted = bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=5_000,
        random_state=1,
    ).confidence_interval
    assert [found.low, found.high] == pytest.approx([wanted.low, wanted.high], abs=0.005)
    assert ratio_interval(below, below).low == pytest.approx(1)


def test_a_ratio_needs_something_to_divide_by():
    found = ratio_interval([0, 1], [0, 2])
    assert (found.low, found.high) == (0.5, 0.5), "draws of the first alone are left out"
    for above, below in (([1], [0]), ([1, 2], [1]), ([1], [-1]), ([[1]], [[1]])):
        with pytest.raises(ValueError, match=r"denominators|shapes"):
            ratio_interval(above, below)
