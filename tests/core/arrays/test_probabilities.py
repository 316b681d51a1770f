"""Rounded probabilities as scores: what was rounded away is put back, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.core.arrays.probabilities import (
    ProbabilityError,
    ZeroProbabilityError,
    log_confidence,
    log_probabilities,
)

STEP = 0.01


@st.composite
def rounded(draw, least=0):
    """Probabilities in whole steps of 0.01 that sum to one, as a service would round them."""
    parts = draw(st.lists(st.integers(least, 50), min_size=2, max_size=6))
    rest = 100 - sum(parts)
    parts = [*parts, rest] if rest > 0 else [1, 99]
    return np.array(parts) / 100


@given(rounded())
def test_a_lifted_row_sums_to_one_and_keeps_its_order(row):
    lifted = np.exp(log_probabilities(row, STEP))
    assert lifted.sum() == pytest.approx(1)
    assert (lifted > 0).all()
    smaller, larger = np.nonzero(row[:, np.newaxis] < row)
    assert (lifted[smaller] < lifted[larger]).all()
    assert len(set(lifted[row == 0])) <= 1


@given(rounded(least=1), st.sampled_from([0.0, STEP]))
def test_a_row_without_zeros_is_what_it_was(row, step):
    np.testing.assert_allclose(np.exp(log_probabilities(row, step)), row, rtol=1e-12)


def test_a_zero_becomes_half_a_step():
    lifted = np.exp(log_probabilities([0.99, 0.01, 0.0], STEP))
    np.testing.assert_allclose(lifted, np.array([0.99, 0.01, 0.005]) / 1.005)


def test_many_zeros_have_together_what_was_rounded_up():
    """One option of a hundred told as certain had 0.995 at least."""
    lifted = np.exp(log_probabilities([1.0] + [0.0] * 99, STEP))
    assert lifted[0] == pytest.approx(1 / 1.005)
    assert lifted[1:].sum() == pytest.approx(0.005 / 1.005)


def test_a_confidence_whose_odds_float64_does_not_hold():
    with pytest.raises(ProbabilityError, match="below 1e-300"):
        log_confidence(1e-310)
    assert np.isfinite(log_confidence(1e-300)).all()


def test_a_sum_may_be_off_by_what_rounding_explains():
    """Three options of a third each are .33, .33 and .33; six of a sixth each .17."""
    np.testing.assert_allclose(np.exp(log_probabilities([0.33] * 3, STEP)), 1 / 3)
    np.testing.assert_allclose(np.exp(log_probabilities([0.17] * 6, STEP)), 1 / 6)
    with pytest.raises(ProbabilityError, match=r"sums to 0\.99, and rounding explains 0\.001 off"):
        log_probabilities([0.33] * 3)
    with pytest.raises(ProbabilityError, match=r"sums to 0\.9, and rounding explains 0\.015 off"):
        log_probabilities([0.3] * 3, STEP)


@pytest.mark.parametrize("convert", [log_probabilities, lambda row, s=0.0: log_confidence(*row, s)])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf])
def test_what_is_no_probability(convert, value):
    with pytest.raises(ProbabilityError, match="NaN or a number outside"):
        convert([value], STEP)


def test_a_certainty_needs_a_step():
    for certain in (lambda: log_probabilities([1.0, 0.0]), lambda: log_confidence(1.0)):
        with pytest.raises(ZeroProbabilityError, match=r"0\.01 for two decimals"):
            certain()
    with pytest.raises(ProbabilityError, match="gives no option any probability"):
        log_probabilities([0.0, 0.0], 0.4)


def test_a_step_that_is_not_the_real_one():
    """Else a zero would be lifted above what is not zero."""
    with pytest.raises(ProbabilityError, match=r"steps of 0\.01"):
        log_probabilities([0.998, 0.002, 0.0], STEP)
    with pytest.raises(ProbabilityError, match=r"steps of 0\.01"):
        log_confidence(0.999, STEP)


@given(st.integers(0, 100))
def test_a_confidence_and_what_it_lacks(hundredths):
    said = np.exp(log_confidence(hundredths / 100, STEP))
    assert said.sum() == pytest.approx(1)
    assert said[0] == pytest.approx(np.clip(hundredths / 100, 0.005, 0.995))
