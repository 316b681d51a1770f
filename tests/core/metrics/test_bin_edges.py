"""Edges of bins, and which bin an item falls into."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from trueodds_service.core.metrics.bin_edges import Binning, as_confidence, bin_of, edges_of

Array = NDArray[np.float64]

confidences = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))
binnings = st.sampled_from(["equal_width", "equal_mass"])


@given(confidences, st.integers(1, 12), binnings)
def test_every_item_lies_within_its_bin(conf: Array, bins: int, binning: Binning) -> None:
    edges = edges_of(conf, bins, binning)
    index = bin_of(conf, edges)
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= bins + 1
    assert ((edges[index] < conf) | (index == 0)).all()
    assert (conf <= edges[index + 1]).all()


@given(confidences, st.integers(1, 12))
def test_equal_width_is_what_exact_arithmetic_says(conf: Array, bins: int) -> None:
    """((m − 1) / M, m / M] of Guo et al. 2017, of the doubles as the fractions that they are."""
    index = bin_of(conf, edges_of(conf, bins, "equal_width"))
    expected = [max(math.ceil(Fraction(value) * bins) - 1, 0) for value in conf.tolist()]
    # A double that rounds to the very edge is the edge.
    edge = np.isin(conf, [float(Fraction(m, bins)) for m in range(1, bins)])
    np.testing.assert_array_equal(index[~edge], np.array(expected)[~edge])
    np.testing.assert_array_equal(index[edge], np.round(conf[edge] * bins) - 1)


@pytest.mark.parametrize("bins", [2, 3, 5, 10, 15, 20, 100])
def test_a_value_on_an_edge_belongs_to_the_bin_below(bins: int) -> None:
    """0.3, 0.6 and 0.7 of ten bins among them, which linspace puts elsewhere."""
    conf = np.array([m / bins for m in range(bins + 1)])
    expected = [0, *range(bins)]
    np.testing.assert_array_equal(bin_of(conf, edges_of(conf, bins, "equal_width")), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 12))
def test_equal_mass_spreads_distinct_items_evenly(seed: int, n: int, bins: int) -> None:
    conf = np.random.default_rng(seed).random(n)
    index = bin_of(conf, edges_of(conf, bins, "equal_mass"))
    count = np.bincount(index, minlength=bins)
    assert count.max() - count.min() <= 1


def test_equal_confidences_share_a_bin() -> None:
    conf = np.array([0.3] * 7 + [0.9] * 3)
    edges = edges_of(conf, 2, "equal_mass")
    np.testing.assert_array_equal(edges, [0, 0.3, 1])
    np.testing.assert_array_equal(bin_of(conf, edges), [0] * 7 + [1] * 3)
    many = edges_of(conf, 10, "equal_mass")
    assert len(many) < 11
    assert len(np.unique(bin_of(conf, many))) == 2


@pytest.mark.parametrize("values", [[], [[0.5]], 0.5, [1.1], [-0.1], [np.nan]])
def test_refuses_what_is_no_confidence(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^confidence must"):
        as_confidence(values)


def test_refuses_what_is_no_binning() -> None:
    with pytest.raises(ValueError, match="bins must be at least 1"):
        edges_of(np.array([0.5]), 0, "equal_width")
    with pytest.raises(ValueError, match="binning must be equal_width or equal_mass"):
        edges_of(np.array([0.5]), 10, "quantile")  # type: ignore[arg-type]
