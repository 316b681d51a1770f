"""The solver: planted temperatures, degenerate data, and other people's optimisers beside it."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.arrays.log_floor import LOG_FLOOR
from trueodds_service.core.fitting.cross_entropy import CHUNK
from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS, Bound, fit_temperature

Array = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def sample(seed: int, n: int, k: int, scale: float = 3.0) -> tuple[Array, NDArray[np.int64]]:
    """Logits, and labels drawn from softmax(logits / 2): overconfident, with an optimum inside."""
    generator = np.random.default_rng(seed)
    z = generator.normal(0, scale, (n, k))
    draws = generator.random((n, 1))
    return z, np.minimum((softmax(z / 2).cumsum(axis=1) < draws).sum(axis=1), k - 1)


def one_hot(labels: NDArray[np.int64], k: int) -> Array:
    return np.eye(k)[labels]


@given(seeds, st.integers(1, 30), st.integers(2, 8), st.floats(0.0011, 900))
def test_recovers_a_planted_temperature(seed: int, n: int, k: int, planted: float) -> None:
    z = np.random.default_rng(seed).normal(0, 3 * min(planted, 1), (n, k))
    fit = fit_temperature(z, softmax(z / planted))
    assert fit.temperature == pytest.approx(planted, rel=1e-6)
    assert (fit.at_bound, fit.undetermined) == (Bound.NONE, False)


@settings(max_examples=30)
@given(seeds, st.integers(20, 200), st.integers(2, 6))
def test_agrees_with_scipy_on_the_nll(seed: int, n: int, k: int) -> None:
    z, labels = sample(seed, n, k)

    def nll(log_t: float) -> float:
        at_label = special.log_softmax(z / math.exp(log_t), axis=1)[np.arange(n), labels]
        return float(-at_label.mean())

    reference = minimize_scalar(
        nll, bounds=np.log(DEFAULT_BOUNDS), method="bounded", options={"xatol": 1e-10}
    )
    assume(reference.fun > 1e-6)  # else the colder the better, as far as numbers tell
    fit = fit_temperature(z, one_hot(labels, k))
    # An optimiser that compares values sees a minimum's place only to the root of its rounding.
    assert math.log(fit.temperature) == pytest.approx(reference.x, abs=1e-4)
    assert fit.cross_entropy <= reference.fun + 1e-12
    assert fit.cross_entropy == pytest.approx(reference.fun, abs=1e-9)
    assert fit.cross_entropy_at_one == pytest.approx(nll(0.0), abs=1e-12)


class Precomputed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose inputs are its logits, for scikit-learn to calibrate."""

    def fit(self, X: Array, y: NDArray[np.int64]) -> "Precomputed":  # noqa: N803
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Array) -> NDArray[np.int64]:  # noqa: N803
        return np.asarray(X.argmax(axis=1), dtype=np.int64)

    def decision_function(self, X: Array) -> Array:  # noqa: N803
        return X


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    z, labels = sample(seed, n=400, k=4)
    frozen = FrozenEstimator(Precomputed().fit(z, labels))
    reference = CalibratedClassifierCV(frozen, method="temperature", ensemble=False).fit(z, labels)
    (calibrator,) = reference.calibrated_classifiers_[0].calibrators
    fit = fit_temperature(z, one_hot(labels, 4))
    assert fit.temperature == pytest.approx(1 / calibrator.beta_, rel=1e-6)
    np.testing.assert_allclose(softmax(z / fit.temperature), reference.predict_proba(z), atol=1e-6)


@given(seeds, st.integers(5, 60), st.floats(-50, 50))
def test_logprobs_and_shifted_logits_give_the_same_temperature(
    seed: int, n: int, shift: float
) -> None:
    z, labels = sample(seed, n, k=4)
    target = one_hot(labels, 4)
    expected = fit_temperature(z, target)
    for same in (log_softmax(z), z + shift):
        fit = fit_temperature(same, target)
        assert fit.temperature == pytest.approx(expected.temperature, rel=1e-6)
        assert fit.at_bound == expected.at_bound


@given(seeds, st.integers(1, 40), st.integers(2, 6))
def test_no_other_temperature_is_better(seed: int, n: int, k: int) -> None:
    z, labels = sample(seed, n, k)
    fit = fit_temperature(z, one_hot(labels, k))
    assert fit.cross_entropy <= fit.cross_entropy_at_one
    for other in np.geomspace(*DEFAULT_BOUNDS, 50):
        at_label = special.log_softmax(z / other, axis=1)[np.arange(n), labels]
        assert fit.cross_entropy <= -at_label.mean() + 1e-12


@pytest.mark.parametrize("labelled", [True, False])
def test_many_items_are_fitted_as_so_many_times_a_few(labelled: bool) -> None:
    """The few in one piece; the many by a sample of them, then in pieces, on threads."""
    z, labels = sample(7, n=999, k=3)
    weights = np.random.default_rng(7).integers(0, 3, 999)
    z[labels == 0, 2] = -np.inf
    z[weights.argmax(), labels[weights.argmax()]] = -np.inf  # an impossible label
    target = labels if labelled else softmax(np.where(np.isinf(z), -90, z) / 3)
    few = fit_temperature(z, target, weights=weights)
    many = fit_temperature(
        np.tile(z, (100, 1)),
        np.concatenate([target] * 100),
        weights=np.tile(weights, 100),
    )
    assert few.at_bound == many.at_bound == Bound.NONE
    assert many.temperature == pytest.approx(few.temperature, rel=1e-7)
    assert many.cross_entropy == pytest.approx(few.cross_entropy, abs=1e-10)
    assert many.cross_entropy_at_one == pytest.approx(few.cross_entropy_at_one, abs=1e-12)


@pytest.mark.parametrize("misleading", ["right", "wrong", "flat"])
def test_a_sample_unlike_the_rest_misleads_nobody(misleading: str) -> None:
    z, labels = sample(8, n=2**16, k=4)
    odd = slice(None, None, 16)  # those that a fit of many items starts with
    if misleading == "flat":
        z[odd] = 0
    else:
        labels[odd] = z[odd].argmax(axis=1) if misleading == "right" else z[odd].argmin(axis=1)
    order = np.random.default_rng(8).permutation(len(z))
    fit, shuffled = fit_temperature(z, labels), fit_temperature(z[order], labels[order])
    assert fit.temperature == pytest.approx(shuffled.temperature, rel=1e-7)
    assert fit.cross_entropy == pytest.approx(shuffled.cross_entropy, abs=1e-10)


def test_many_items_stop_at_bounds_and_flat_ones_are_undetermined() -> None:
    z, _ = sample(9, n=2**16, k=4)
    assert fit_temperature(z, z.argmax(axis=1)).at_bound is Bound.LOWER
    assert fit_temperature(z, z.argmin(axis=1)).at_bound is Bound.UPPER
    flat = fit_temperature(np.zeros_like(z), z.argmax(axis=1))
    assert (flat.temperature, flat.undetermined) == (1.0, True)
    assert flat.cross_entropy == pytest.approx(math.log(4))


def test_items_without_weight_count_for_nothing() -> None:
    z, labels = sample(10, n=60, k=3)
    weights = np.where(np.arange(60) < 40, 2.0, 0.0)
    z[40:] *= 1e300
    expected = fit_temperature(z[:40], labels[:40])
    fit = fit_temperature(z, labels, weights=weights)
    assert fit.temperature == pytest.approx(expected.temperature, rel=1e-9)
    assert fit.cross_entropy == pytest.approx(expected.cross_entropy, abs=1e-12)


def test_softer_targets_give_higher_temperatures() -> None:
    z, _ = sample(0, n=50, k=4)
    sharp = softmax(z)
    mixed = [(1 - share) * sharp + share / 4 for share in (0.0, 0.1, 0.3, 0.6, 0.9)]
    temperatures = [fit_temperature(z, target).temperature for target in mixed]
    assert all(low < high for low, high in pairwise(temperatures))


def test_every_answer_right_stops_at_the_lower_bound() -> None:
    z, _ = sample(1, n=20, k=4)
    fit = fit_temperature(z, one_hot(z.argmax(axis=1), 4))
    assert (fit.temperature, fit.at_bound) == (0.001, Bound.LOWER)
    assert fit.cross_entropy < fit.cross_entropy_at_one


def test_labels_against_the_logits_stop_at_the_upper_bound() -> None:
    z, _ = sample(2, n=20, k=4)
    fit = fit_temperature(z, one_hot(z.argmin(axis=1), 4))
    assert (fit.temperature, fit.at_bound) == (1000.0, Bound.UPPER)


def test_a_flat_target_stops_at_the_upper_bound() -> None:
    z, _ = sample(3, n=20, k=4)
    assert fit_temperature(z, np.full_like(z, 0.25), (0.5, 4.0)).at_bound is Bound.UPPER


def test_a_planted_temperature_outside_the_bounds_stops_at_the_nearer() -> None:
    z, _ = sample(4, n=20, k=4)
    below = fit_temperature(z, softmax(z / 0.5), bounds=(1.0, 5.0))
    above = fit_temperature(z, softmax(z / 9.0), bounds=(1.0, 5.0))
    assert (below.temperature, below.at_bound) == (1.0, Bound.LOWER)
    assert (above.temperature, above.at_bound) == (5.0, Bound.UPPER)


@pytest.mark.parametrize(
    "z",
    [
        np.full((6, 4), -1.7),
        np.full((6, 4), -1.7) + np.linspace(0, 1e-7, 4),
        [[0.0, -np.inf]] * 6,
        np.zeros((1, 1)),
    ],
)
def test_constant_logits_leave_the_temperature_undetermined(z: object) -> None:
    array = np.asarray(z, dtype=np.float64)
    fit = fit_temperature(array, one_hot(np.zeros(len(array), dtype=np.int64), array.shape[1]))
    assert (fit.temperature, fit.at_bound, fit.undetermined) == (1.0, Bound.NONE, True)
    assert fit.cross_entropy == fit.cross_entropy_at_one


def test_padding_with_options_without_mass_changes_nothing() -> None:
    z, labels = sample(5, n=40, k=3)
    padded = np.hstack([z, np.full((40, 2), -np.inf)])
    assert fit_temperature(padded, one_hot(labels, 5)) == fit_temperature(z, one_hot(labels, 3))


def test_an_impossible_label_counts_as_the_floor() -> None:
    z, labels = sample(6, n=40, k=3)
    missed, floored = z.copy(), z.copy()
    missed[0, labels[0]] = -np.inf
    floored[0, labels[0]] = np.delete(z[0], labels[0]).max() + LOG_FLOOR
    target = one_hot(labels, 3)
    fit = fit_temperature(missed, target)
    assert fit == fit_temperature(floored, target)
    assert fit.temperature > fit_temperature(z, target).temperature
    assert math.isfinite(fit.cross_entropy_at_one)


def test_an_impossible_label_is_no_better_than_the_least_likely() -> None:
    missed = fit_temperature([[0.0, -200.0, -np.inf], [0.0, -1.0, -2.0]], np.eye(3)[[2, 0]])
    least = fit_temperature([[0.0, -200.0, -200.0], [0.0, -1.0, -2.0]], np.eye(3)[[2, 0]])
    assert missed == least


def test_extreme_logits_and_bounds_neither_warn_nor_hang() -> None:
    z = np.array([[1e308, -1e308, 0.0], [0.0, -1.0, -2.0], [0.0, -1.0, -2.0]])
    fit = fit_temperature(z, one_hot(np.array([0, 0, 1]), 3), bounds=(1e-300, 1e300))
    # The first item is certain at any T; the other two balance where p = (1/2 + ε, ...).
    assert fit.at_bound is Bound.NONE
    p = softmax(z[1] / fit.temperature)
    assert p @ z[1] == pytest.approx(-0.5, abs=1e-9)


@pytest.mark.parametrize(
    ("z", "target", "bounds", "message"),
    [
        (np.zeros(4), np.full(4, 0.25), (0.05, 20), r"logits must have shape \(n, k\)"),
        (np.zeros((0, 4)), np.zeros((0, 4)), (0.05, 20), r"logits must have shape \(n, k\)"),
        (np.zeros((2, 4)), np.full((2, 2), 0.5), (0.05, 20), "target must have shape"),
        (np.zeros((2, 2)), np.ones((2, 2)), (0.05, 20), "target must be probabilities"),
        (np.full((1, 2), np.nan), [[0, 1]], (0.05, 20), "logits must not contain NaN"),
        (np.zeros((1, 2)), [[0, 1]], (0.0, 20), "bounds must satisfy"),
        (np.zeros((1, 2)), [[0, 1]], (2.0, 1.0), "bounds must satisfy"),
        (np.zeros((1, 2)), [[0, 1]], (0.05, np.inf), "bounds must satisfy"),
    ],
)
def test_refuses_malformed_input(
    z: Array, target: Array, bounds: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(z, target, bounds)


@pytest.mark.parametrize("flat", [slice(None, CHUNK), slice(CHUNK, None)])
def test_items_without_a_preference_leave_the_others_their_temperature(flat: slice) -> None:
    """Many items are looked at in parts, and one part may hold nothing that prefers anything."""
    z, _ = sample(8, 2 * CHUNK, 2)
    target = softmax(z / 2.5)
    z[flat] = 0
    fit = fit_temperature(z, target)
    assert (fit.at_bound, fit.undetermined) == (Bound.NONE, False)
    assert fit.temperature == pytest.approx(2.5, rel=1e-6)


def test_answers_little_better_than_chance_determine_a_high_temperature() -> None:
    """30 % right where chance has 25 %, as an aligned model is without worked examples."""
    z = np.tile([8.0, 0.0, 0.0, 0.0], (100, 1))
    fit = fit_temperature(z, np.where(np.arange(100) < 30, 0, 1 + np.arange(100) % 3))
    # Where the first option has its share: e^(8/T) / (e^(8/T) + 3) = 0.3.
    assert fit.temperature == pytest.approx(8 / math.log(9 / 7), rel=1e-6)
    assert fit.temperature > 30
    assert fit.at_bound is Bound.NONE


def test_scores_per_byte_determine_a_low_temperature() -> None:
    z, labels = sample(11, n=200, k=4)
    summed, per_byte = fit_temperature(z, labels), fit_temperature(z / 200, labels)
    assert per_byte.temperature == pytest.approx(summed.temperature / 200, rel=1e-6)
    assert per_byte.temperature < 0.05
    assert per_byte.at_bound is Bound.NONE


@given(
    arrays(np.int64, st.tuples(st.integers(1, 10), st.integers(2, 4)), elements=st.integers(-5, 0)),
    seeds,
)
def test_at_bound_means_that_the_likelihood_has_no_maximum(z: Array, seed: int) -> None:
    """Either every answer is right, or the slope at equal probabilities asks for less still."""
    n, k = z.shape
    labels = np.random.default_rng(seed).integers(0, k, n)
    at_labels = z[np.arange(n), labels]
    fit = fit_temperature(z, one_hot(labels, k))
    if (z == z.max(axis=1, keepdims=True)).all():
        expected = Bound.NONE
    elif (at_labels == z.max(axis=1)).all():
        expected = Bound.LOWER
    elif k * at_labels.sum() <= z.sum():
        expected = Bound.UPPER
    else:
        expected = Bound.NONE
    assert fit.at_bound is expected
