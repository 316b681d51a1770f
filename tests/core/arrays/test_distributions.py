"""Option logprobs → distribution: the laws it keeps, and scipy's implementation beside it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import special, stats

from trueodds_service.core.arrays import distributions as dist

Array = NDArray[np.float64]

logits = arrays(
    np.float64,
    array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(-500, 500, allow_subnormal=False),
)


@given(logits)
def test_agrees_with_scipy(z: Array) -> None:
    np.testing.assert_allclose(
        dist.softmax(z), special.softmax(z, axis=-1), rtol=1e-12, atol=1e-300
    )
    np.testing.assert_allclose(
        dist.log_softmax(z), special.log_softmax(z, axis=-1), rtol=1e-12, atol=1e-12
    )


def test_single_precision_is_computed_in_double() -> None:
    z = np.random.default_rng(0).normal(0, 5, 8).astype(np.float32)
    assert dist.softmax(z).tolist() == dist.softmax(z.astype(np.float64)).tolist()


@given(logits)
def test_entropy_agrees_with_scipy(z: Array) -> None:
    p = dist.softmax(z)
    np.testing.assert_allclose(dist.entropy(p), stats.entropy(p, axis=-1), atol=1e-12)


@given(logits)
def test_rows_sum_to_one(z: Array) -> None:
    np.testing.assert_allclose(dist.answer_distribution(z).sum(axis=-1), 1.0, rtol=1e-12)


@given(logits, st.floats(-500, 500))
def test_a_common_shift_changes_nothing(z: Array, shift: float) -> None:
    np.testing.assert_allclose(dist.softmax(z + shift), dist.softmax(z), rtol=1e-9, atol=1e-300)


@given(logits)
def test_confidence_is_the_probability_of_the_choice(z: Array) -> None:
    p = dist.softmax(z)
    at_choice = np.take_along_axis(p, dist.choice(p)[..., None], axis=-1)[..., 0]
    np.testing.assert_array_equal(dist.confidence(p), at_choice)


def test_values_beyond_the_range_of_exp() -> None:
    np.testing.assert_array_equal(
        dist.softmax([[1e308, -1e308], [-1e308, -1e308]]), [[1, 0], [0.5, 0.5]]
    )
    np.testing.assert_array_equal(dist.log_softmax([-5000.0, -6000.0]), [0.0, -1000.0])


def test_an_option_without_mass_gets_exactly_zero() -> None:
    np.testing.assert_array_equal(dist.softmax([0.0, -np.inf, 0.0]), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(dist.log_softmax([-3.0, -np.inf]), [0.0, -np.inf])


@pytest.mark.parametrize(
    ("z", "message"),
    [
        ([[0.0, 0.0], [-np.inf, -np.inf]], "row of -inf only"),
        ([0.0, np.nan], "must not contain NaN"),
        ([0.0, np.inf], r"must not contain \+inf"),
        (np.empty((3, 0)), "at least one option"),
        (0.5, "at least one option"),
    ],
)
def test_refuses_what_has_no_distribution(z: Any, message: str) -> None:
    functions: list[Callable[[Any], object]] = [dist.softmax, dist.log_softmax, dist.choice]
    for function in functions:
        with pytest.raises(ValueError, match=message):
            function(z)
    for function in (dist.answer_distribution, dist.option_mass):
        with pytest.raises(ValueError, match="option_logprobs .*" + message):
            function(z)


def test_option_mass_is_the_sum_of_the_probabilities() -> None:
    mass = dist.option_mass(np.log([[0.5, 0.25, 0.125], [1e-9, 1e-9, 1e-9]]))
    np.testing.assert_allclose(mass, [0.875, 3e-9], rtol=1e-12)
    assert dist.option_mass([math.log(0.5), -np.inf]) == 0.5


def test_option_mass_is_held_to_one() -> None:
    assert dist.option_mass([math.log(0.7), math.log(0.3) + 1e-7]) == 1.0


def test_option_mass_refuses_logits() -> None:
    with pytest.raises(ValueError, match="found a value above zero"):
        dist.option_mass([2.0, -1.0])


def test_the_first_of_tied_options_is_chosen() -> None:
    np.testing.assert_array_equal(dist.choice([[-1.0, -0.5, -0.5], [0.2, 0.2, 0.2]]), [1, 0])


def test_entropy_at_its_ends() -> None:
    sure, unsure = [1.0, 0.0, 0.0, 0.0], [0.25] * 4
    assert dist.entropy(sure) == 0
    assert not np.signbit(dist.entropy(sure))
    assert dist.entropy([1.0005, 0.0]) == 0  # rounded on its way here
    assert dist.entropy(unsure) == pytest.approx(math.log(4), rel=1e-15)


@pytest.mark.parametrize("p", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0], [-0.2, -0.3], []])
def test_what_is_no_distribution_is_refused(p: list[float]) -> None:
    for function in (dist.confidence, dist.entropy):
        with pytest.raises(ValueError, match=r"^probs must"):
            function(p)
