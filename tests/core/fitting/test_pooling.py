"""Pooling of tasks: the error of an estimate, the prior, and how far each is believed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import integrate, stats

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.pooling import (
    LEAST_SCATTER,
    MIN_TASKS,
    Prior,
    TaskEstimate,
    pooled_prior,
    pooled_temperature,
    task_estimate,
)

Array = NDArray[np.float64]


def task(seed: int, n: int, temperature: float = 2.5, noise: float = 0.3) -> FitData:
    """A model that is its teacher, sharpened, but for some noise."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 1.5, (n, 4))
    sharp = temperature * (honest + generator.normal(0, noise, honest.shape))
    return FitData(log_softmax(sharp), teacher_logprobs=log_softmax(honest))


def estimate(seed: int, n: int, temperature: float = 2.5, noise: float = 0.3) -> TaskEstimate:
    found = task_estimate(task(seed, n, temperature, noise))
    assert found is not None
    return found


estimates = st.builds(TaskEstimate, st.floats(-6.9, 6.9), st.floats(1e-3, 2.0))
priors = st.builds(Prior, st.floats(-6.9, 6.9), st.floats(LEAST_SCATTER, 2.0), st.integers(2, 50))


@pytest.mark.parametrize("n", [20, 80])
def test_the_standard_error_is_the_scatter_of_estimates(n: int) -> None:
    found = [estimate(seed, n) for seed in range(1500)]
    scatter = np.std([each.log_t for each in found])
    expected = math.sqrt(np.mean([each.standard_error**2 for each in found]))
    assert expected == pytest.approx(scatter, rel=0.1)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_standard_error_of_few_items_is_the_sandwich_written_out(n: int) -> None:
    """With n / (n - 1), which is a factor of two of the variance where there are two items."""
    data = task(2, n)
    found = task_estimate(data)
    assert found is not None
    step, log_t = 1e-4, found.log_t

    def divergences(at: float) -> Array:
        return np.asarray(
            stats.entropy(softmax(data.taught), softmax(data.logprobs / math.exp(at)), axis=1)
        )

    below, here, above = (divergences(log_t + each) for each in (-step, 0.0, step))
    slopes, curvature = (above - below) / (2 * step), (above + below - 2 * here).sum() / step**2
    expected = math.sqrt(n / (n - 1) * (slopes**2).sum()) / curvature
    assert found.standard_error == pytest.approx(expected, rel=1e-4)


def test_an_item_of_weight_two_is_two_items() -> None:
    data = task(0, 12)
    counts = np.arange(12) % 3
    repeated = data.take(np.repeat(np.arange(12), counts))
    weighted = FitData(
        data.logprobs, teacher_logprobs=data.taught, weights=counts.astype(np.float64)
    )
    one, other = task_estimate(weighted), task_estimate(repeated)
    assert one is not None
    assert other is not None
    assert one.log_t == pytest.approx(other.log_t, abs=1e-9)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-6)


def test_a_constant_of_each_item_changes_nothing() -> None:
    data = task(0, 10)
    shift = np.arange(10.0)[:, None]
    moved = FitData(data.logprobs - shift, teacher_logprobs=data.taught + shift)
    one, other = task_estimate(data), task_estimate(moved)
    assert one is not None
    assert other is not None
    assert other.log_t == pytest.approx(one.log_t, abs=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-6)


@pytest.mark.parametrize(
    ("logprobs", "teacher"),
    [
        (np.zeros((5, 4)), np.eye(4)[[0, 1, 2, 3, 0]]),  # nothing is preferred
        (np.eye(4) * 9, np.zeros((4, 4))),  # the teacher knows nothing: T to its upper bound
        (np.eye(4), np.eye(4) * 2000),  # the teacher is sure: T to its lower bound
        (np.array([[0.0, -3.0]]), np.array([[0.0, -1.0]])),  # one item has no scatter
    ],
)
def test_items_without_a_temperature_have_no_estimate(logprobs: Array, teacher: Array) -> None:
    data = FitData(logprobs, teacher_logprobs=teacher)
    assert task_estimate(data) is None
    assert pooled_temperature(data, Prior(1.0, 0.2, 5)) == pytest.approx(math.e)


@given(
    arrays(np.float64, (4, 3), elements=st.floats(-1e6, 0)),
    arrays(np.float64, (4, 3), elements=st.floats(-1e6, 0)),
    priors,
)
def test_whatever_the_items_the_temperature_lies_between_the_bounds(
    logprobs: Array, teacher: Array, prior: Prior
) -> None:
    temperature = pooled_temperature(FitData(logprobs, teacher_logprobs=teacher), prior)
    assert temperature is not None
    assert 0.001 <= temperature <= 1000


@given(st.lists(estimates, min_size=MIN_TASKS, max_size=12))
def test_the_prior_leaves_paule_and_mandels_remainder(found: list[TaskEstimate]) -> None:
    prior = pooled_prior(found)
    assert prior is not None
    assert prior.tasks == len(found)
    values = np.array([each.log_t for each in found])
    errors = np.array([each.standard_error for each in found])

    def remainder(scatter: float) -> float:
        """Cochran's Q, generalised, less its expectation."""
        weights = 1 / (errors**2 + scatter)
        return float(weights @ (values - np.average(values, weights=weights)) ** 2 - len(found) + 1)

    def width(scatter: float) -> float:
        return math.sqrt(scatter + 1 / (1 / (errors**2 + scatter)).sum())

    if remainder(LEAST_SCATTER**2) <= 0:
        assert prior.deviation == pytest.approx(width(LEAST_SCATTER**2), rel=1e-6)
        return
    # The width grows with the scatter, so between the two scatters that it lies between is ours.
    low, high = LEAST_SCATTER**2, 400.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if width(middle) < prior.deviation else (low, middle)
    assert remainder(low) == pytest.approx(0, abs=1e-4 * len(found))


def test_too_few_tasks_give_no_prior() -> None:
    assert pooled_prior([]) is None
    assert pooled_prior([TaskEstimate(1.0, 0.1)]) is None
    assert pooled_temperature(task(0, 5), None) is None


@pytest.mark.parametrize("tasks", [2, 3, 7, 40])
@pytest.mark.parametrize(("distance", "error"), [(0.1, 0.05), (0.9, 0.05), (0.4, 0.3)])
def test_the_temperature_is_the_posterior_mean_under_students_t(
    tasks: int, distance: float, error: float
) -> None:
    data = task(1, 6, noise=error)
    own = task_estimate(data)
    assert own is not None
    prior = Prior(own.log_t - distance, 0.08, tasks)

    def density(log_t: float) -> float:
        return float(
            stats.norm.pdf(log_t, own.log_t, own.standard_error)
            * stats.t.pdf(log_t, tasks - 1, prior.mean, prior.deviation)
        )

    ends = (own.log_t - 12 * own.standard_error, own.log_t + 12 * own.standard_error)
    options = {"points": [own.log_t, prior.mean], "limit": 500, "epsabs": 1e-13}
    mass = integrate.quad(density, *ends, **options)[0]
    mean = integrate.quad(lambda t: t * density(t), *ends, **options)[0] / mass
    found = pooled_temperature(data, prior)
    assert found is not None
    assert math.log(found) == pytest.approx(mean, abs=2e-4)


@given(st.integers(0, 2**32 - 1), priors)
def test_the_temperature_lies_between_the_tasks_own_and_the_priors(seed: int, prior: Prior) -> None:
    data = task(seed, 5)
    own = task_estimate(data)
    assert own is not None
    found = pooled_temperature(data, prior)
    assert found is not None
    low, high = sorted((own.log_t, prior.mean))
    assert low - 1e-12 <= math.log(found) <= high + 1e-12


def test_many_items_outweigh_the_prior_and_few_do_not() -> None:
    prior = Prior(math.log(2.5), 0.05, 6)
    own = [estimate(0, n, temperature=2.75).log_t for n in (5, 20_000)]
    few, many = (pooled_temperature(task(0, n, temperature=2.75), prior) for n in (5, 20_000))
    assert few is not None
    assert many is not None
    assert abs(math.log(few) - prior.mean) < abs(own[0] - prior.mean) / 2
    assert math.log(many) == pytest.approx(own[1], abs=0.005)


def test_alike_tasks_halve_the_error_and_an_outlier_keeps_its_own() -> None:
    def log_temperature(data: FitData, others: list[FitData]) -> float:
        known = [each for each in map(task_estimate, others) if each is not None]
        found = pooled_temperature(data, pooled_prior(known))
        assert found is not None
        return math.log(found)

    alike, alone, outlier = [], [], []
    for draw in range(100):
        others = [task(10 * draw + place, 5) for place in range(6)]
        own = task(10 * draw + 6, 5)
        alike.append(log_temperature(own, others))
        alone.append(estimate(10 * draw + 6, 5).log_t)
        outlier.append(log_temperature(task(10 * draw + 7, 5, temperature=1.25), others))
    truth = float(np.mean([estimate(seed, 5_000).log_t for seed in range(3)]))
    assert _error(alike, truth) < 0.75 * _error(alone, truth)
    assert _error(outlier, truth - math.log(2)) < 1.7 * _error(alone, truth)


def _error(found: list[float], truth: float) -> float:
    return float(np.sqrt(np.mean((np.array(found) - truth) ** 2)))


def test_the_fit_tells_the_divergence_of_what_it_found() -> None:
    data, prior = task(3, 6), Prior(math.log(3.5), 0.05, 6)
    alone, fitted = fit(Method.TEACHER_KL, data), fit(Method.TEACHER_POOLED, data, prior=prior)
    assert alone.objective_after is not None
    teacher, calibrated = softmax(data.taught), fitted.calibrator.apply(data.logprobs)
    expected = stats.entropy(teacher, calibrated, axis=1).mean()
    assert fitted.objective_after == pytest.approx(expected)
    assert expected > alone.objective_after
    assert fitted.objective_before == alone.objective_before


def test_a_fit_without_a_prior_says_that_it_is_teacher_kl() -> None:
    data = task(3, 6)
    fitted = fit(Method.TEACHER_POOLED, data)
    assert "nothing to pool with" in fitted.fallback
    expected = fit(Method.TEACHER_KL, data)
    assert fitted.calibrator == expected.calibrator
    assert fitted.objective_after == expected.objective_after
