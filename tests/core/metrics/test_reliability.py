"""Calibration error: netcal's beside it, worked examples, and the theory of its noise floor."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netcal.metrics import ECE
from numpy.typing import NDArray

from trueodds_service.core.metrics.bin_edges import Binning
from trueodds_service.core.metrics.reliability import ece, null_ece, reliability_bins

Array = NDArray[np.float64]

binnings = st.sampled_from(["equal_width", "equal_mass"])


def sample(seed: int, n: int) -> tuple[Array, NDArray[np.bool_]]:
    """Overconfident items: right half as often, above chance, as their confidence says."""
    generator = np.random.default_rng(seed)
    conf = generator.uniform(0.25, 1, n)
    return conf, generator.random(n) < (conf + 0.25) / 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bins", [5, 10, 15])
@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
def test_ece_agrees_with_netcal(seed: int, bins: int, binning: Binning) -> None:
    # A multiple of every number of bins: else quantiles have several definitions.
    conf, correct = sample(seed, n=750)
    reference = ECE(bins, equal_intervals=binning == "equal_width")
    expected = reference.measure(conf, correct.astype(int))
    assert ece(conf, correct, bins, binning) == pytest.approx(expected, abs=1e-12)


def test_a_worked_example() -> None:
    conf = [0.55, 0.59, 0.9, 0.95, 1.0]
    correct = [True, False, True, True, False]
    bins = reliability_bins(conf, correct)
    np.testing.assert_array_equal(bins.count, [0, 0, 0, 0, 0, 2, 0, 0, 1, 2])
    np.testing.assert_allclose(bins.lower, np.arange(10) / 10)
    np.testing.assert_allclose(bins.upper, np.arange(1, 11) / 10)
    np.testing.assert_allclose(bins.confidence[[5, 8, 9]], [0.57, 0.9, 0.975])
    np.testing.assert_allclose(bins.accuracy[[5, 8, 9]], [1 / 2, 1, 1 / 2])
    assert np.isnan(bins.confidence[0])
    assert np.isnan(bins.accuracy[0])
    assert ece(conf, correct) == pytest.approx((2 * 0.07 + 0.1 + 2 * (0.975 - 1 / 2)) / 5)


@pytest.mark.parametrize("value", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_an_edge_falls_where_the_definition_puts_it(value: float) -> None:
    """Guo et al. 2017: bin m of M holds ((m − 1) / M, m / M], of 0.3, 0.6 and 0.7 too."""
    bins = reliability_bins([value], [True])
    assert bins.count[round(value * 10) - 1] == 1
    [upper] = bins.upper[bins.count > 0]
    assert upper == value


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 12), binnings)
def test_ece_lies_between_the_plain_gap_and_one(
    seed: int, n: int, bins: int, binning: Binning
) -> None:
    conf, correct = sample(seed, n)
    value = ece(conf, correct, bins, binning)
    assert abs(correct.mean() - conf.mean()) - 1e-12 <= value <= 1
    assert ece(conf, correct, 1, binning) == pytest.approx(abs(correct.mean() - conf.mean()))


@given(st.integers(0, 2**32 - 1), binnings)
def test_the_order_of_items_does_not_matter(seed: int, binning: Binning) -> None:
    generator = np.random.default_rng(seed)
    # Rounded, so that there are ties for an order to break.
    conf = generator.random(50).round(1)
    correct = generator.random(50) < 0.5
    order = generator.permutation(50)
    expected = ece(conf, correct, 10, binning)
    assert ece(conf[order], correct[order], 10, binning) == pytest.approx(expected)


def test_ece_at_its_ends() -> None:
    assert ece([1.0, 1.0], [True, True]) == 0
    assert ece([1.0, 1.0], [False, False]) == 1
    assert ece([0.5, 0.5], [True, False]) == 0


@pytest.mark.parametrize("n", [50, 500, 5000])
def test_null_ece_agrees_with_theory(n: int) -> None:
    """By the central limit theorem |acc − conf| of a bin has mean σ √(2/π), σ² = Σ p(1−p) / n_b².

    The bin's share of the items, n_b / n, leaves √(Σ p(1−p)) √(2/π) / n to be summed over bins.
    """
    conf = np.random.default_rng(0).uniform(0.25, 1, n)
    bin_of = np.minimum((conf * 10).astype(int), 9)
    variance = np.bincount(bin_of, weights=conf * (1 - conf))
    expected = np.sqrt(variance).sum() * math.sqrt(2 / math.pi) / n
    assert null_ece(conf, draws=4000) == pytest.approx(expected, rel=0.05)


def test_null_ece_is_the_mean_ece_of_simulated_answers() -> None:
    conf, _ = sample(seed=1, n=60)
    generator = np.random.default_rng(2)
    for binning in ("equal_width", "equal_mass"):
        simulated = [ece(conf, generator.random(60) < conf, 10, binning) for _ in range(2000)]
        value = null_ece(conf, 10, binning, draws=2000)
        assert value == pytest.approx(np.mean(simulated), rel=0.03)


def test_null_ece_of_one_item_is_its_mean_absolute_error() -> None:
    # Right with probability 0.8 and then off by 0.2, else wrong and off by 0.8.
    assert null_ece([0.8], draws=20_000) == pytest.approx(0.8 * 0.2 + 0.2 * 0.8, rel=0.03)


def test_null_ece_of_certain_answers_is_zero() -> None:
    assert null_ece([1.0, 0.0, 1.0]) == 0


def test_null_ece_is_a_function_of_its_seed() -> None:
    conf, _ = sample(seed=3, n=40)
    assert null_ece(conf, draws=50, seed=7) == null_ece(conf, draws=50, seed=7)
    assert null_ece(conf, draws=50, seed=7) != null_ece(conf, draws=50, seed=8)


def test_refuses_malformed_input() -> None:
    with pytest.raises(ValueError, match=r"correct must have shape \(2,\)"):
        ece([0.5, 0.6], [True])
    with pytest.raises(ValueError, match="correct must be booleans"):
        ece([0.5, 0.6], [0.0, 0.3])
    with pytest.raises(ValueError, match="confidence must lie in"):
        ece([0.5, 1.6], [True, False])
    with pytest.raises(ValueError, match="draws must be at least 1"):
        null_ece([0.5], draws=0)
