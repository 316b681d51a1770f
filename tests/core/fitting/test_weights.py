"""An item's weight reaches every number: what a fit reports, intervals, what chance leaves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.pooling import Prior
from trueodds_service.core.metrics.evaluate import evaluate, intervals
from trueodds_service.core.metrics.reliability import null_ece

Array = NDArray[np.float64]

N, K = 120, 4
FITTED = [method for method, spec in SPECS.items() if spec.min_items]


def items() -> FitData:
    """Labelled items with a teacher; the first half is much easier than the second."""
    generator = np.random.default_rng(5)
    honest = generator.normal(0, np.where(np.arange(N) < N / 2, 3.0, 0.5)[:, None], (N, K))
    labels = [generator.choice(K, p=row) for row in softmax(honest)]
    teacher = honest + generator.normal(0, 0.3, honest.shape)
    return FitData(log_softmax(2.5 * honest), np.array(labels), log_softmax(teacher))


@pytest.mark.parametrize("method", FITTED)
def test_what_a_fit_reports_is_of_repeated_items(method: Method) -> None:
    """Before and after, with the teacher's own entropy where the objective is a divergence."""
    data = items()
    times = np.where(np.arange(N) < N / 2, 1, 4)
    weighted = FitData(data.logprobs, data.labels, data.taught, weights=times.astype(float))
    prior = Prior(1.0, 0.2, 5)
    one = fit(method, weighted, prior=prior)
    other = fit(method, data.take(np.repeat(np.arange(N), times)), prior=prior)
    assert one.objective_before == pytest.approx(other.objective_before, rel=1e-9)
    assert one.objective_after == pytest.approx(other.objective_after, rel=1e-4)
    unweighted = fit(method, data, prior=prior)
    assert one.objective_before != pytest.approx(unweighted.objective_before, rel=0.1)


def answers() -> tuple[Array, NDArray[np.int64], Array]:
    """Distributions, labels, and weights under which a tenth of the items are nearly all."""
    generator = np.random.default_rng(6)
    probs = generator.dirichlet(np.full(K, 0.6), size=200)
    labels = np.array([generator.choice(K, p=row) for row in probs])
    return probs, labels, np.where(np.arange(200) % 10 == 0, 20.0, 1.0)


def test_intervals_are_those_of_a_weighted_bootstrap_written_out() -> None:
    probs, labels, weights = answers()
    found = intervals(probs, labels, weights=weights, resamples=2000)["accuracy"]
    right = probs.argmax(axis=1) == labels
    draws = np.random.default_rng(1).integers(0, 200, (20_000, 200))
    drawn = (weights * right)[draws].sum(axis=1) / weights[draws].sum(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    # 2,000 resamples tell such a quantile to about a fortieth of the width.
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))
    plain = intervals(probs, labels, resamples=2000)["accuracy"]
    assert plain.high - plain.low < 0.8 * (high - low), "few items that count tell less"


def test_the_null_of_weighted_items_is_that_of_the_items_that_count() -> None:
    probs, labels, _ = answers()
    some = np.arange(200) % 10 == 0
    found = evaluate(probs, labels, weights=some.astype(float)).null_ece
    assert found == pytest.approx(null_ece(probs[some].max(axis=1)), rel=0.1)
    assert evaluate(probs, labels).null_ece < found / 2
