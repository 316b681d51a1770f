"""The kernel density of confidences, against scipy's."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from trueodds_service.core.fitting.confidence import _GRID, _LEAST_BANDWIDTH, _log_density

VALUES = np.random.default_rng(3).beta(2, 3, 40)


@pytest.mark.parametrize("count", [3, 40])
def test_it_is_that_of_scipy_up_to_a_constant(count):
    values = VALUES[:count]
    found = _log_density(values, np.ones(count))
    expected = gaussian_kde(values).logpdf(_GRID) + np.log(2 * np.pi) / 2
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_count_is_so_many_of_the_same():
    counts = np.array([1.0, 3.0, 2.0])
    repeated = np.repeat(VALUES[:3], counts.astype(int))
    found = _log_density(VALUES[:3], counts)
    assert found == pytest.approx(_log_density(repeated, np.ones(6)), rel=1e-9)


def test_equal_values_have_the_least_bandwidth():
    found = _log_density(np.full(5, 0.5), np.ones(5))
    expected = -0.5 * ((_GRID - 0.5) / _LEAST_BANDWIDTH) ** 2 - np.log(_LEAST_BANDWIDTH)
    assert found == pytest.approx(expected, rel=1e-9)
