"""Temperature scaling as it is applied to a question."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import special

from trueodds_service.core.arrays.distributions import (
    answer_distribution,
    choice,
    confidence,
    entropy,
)
from trueodds_service.core.calibrators.temperature import TemperatureScaling

Array = NDArray[np.float64]

# Multiples of a hundredth: options differ by nothing or by enough to tell apart at any T below.
logprobs = arrays(
    np.float64,
    array_shapes(min_dims=1, max_dims=2, min_side=2, max_side=5),
    elements=st.integers(-3000, 0).map(lambda hundredths: hundredths / 100),
)
temperatures = st.floats(0.001, 1000)


@given(logprobs, temperatures)
def test_agrees_with_scipy(z: Array, temperature: float) -> None:
    expected = special.softmax(z / temperature, axis=-1)
    np.testing.assert_allclose(TemperatureScaling(temperature).apply(z), expected, rtol=1e-10)


@given(logprobs)
def test_one_is_the_answer_distribution(z: Array) -> None:
    np.testing.assert_allclose(TemperatureScaling(1.0).apply(z), answer_distribution(z), rtol=1e-12)


@given(logprobs, temperatures)
def test_never_changes_the_choice(z: Array, temperature: float) -> None:
    calibrated = TemperatureScaling(temperature).apply(z)
    np.testing.assert_array_equal(
        np.take_along_axis(calibrated, choice(z)[..., None], axis=-1)[..., 0],
        calibrated.max(axis=-1),
    )


@given(logprobs, temperatures, temperatures)
def test_a_higher_temperature_is_less_sure(z: Array, one: float, other: float) -> None:
    low, high = sorted((one, other))
    sharp, soft = TemperatureScaling(low).apply(z), TemperatureScaling(high).apply(z)
    assert (confidence(sharp) >= confidence(soft) - 1e-12).all()
    assert (entropy(sharp) <= entropy(soft) + 1e-12).all()


@given(logprobs)
def test_one_question_and_many_agree(z: Array) -> None:
    scaling = TemperatureScaling(2.5)
    rows = [scaling.apply(row) for row in np.atleast_2d(z)]
    np.testing.assert_array_equal(np.atleast_2d(scaling.apply(z)), rows)


def test_a_worked_example() -> None:
    # Odds of 9 to 1 at T = 2 are odds of √9 to 1.
    np.testing.assert_allclose(
        TemperatureScaling(2.0).apply(np.log([0.9, 0.1])), [0.75, 0.25], rtol=1e-12
    )


def test_extremes_neither_warn_nor_overflow() -> None:
    scaling = TemperatureScaling(1e-300)
    np.testing.assert_array_equal(scaling.apply([1e308, 0.0, -np.inf]), [1, 0, 0])


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_refuses_what_is_no_temperature(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be finite and above zero"):
        TemperatureScaling(temperature)


def test_refuses_a_question_without_mass() -> None:
    with pytest.raises(ValueError, match="scores has a row of -inf only"):
        TemperatureScaling(2.0).apply([-np.inf, -np.inf])
