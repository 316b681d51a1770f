"""Paired intervals: one set of draws for both distributions, so what they share cancels."""

from dataclasses import asdict

import numpy as np
import pytest

from trueodds_service.core.metrics.evaluate import evaluate
from trueodds_service.core.metrics.paired import paired_intervals

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
