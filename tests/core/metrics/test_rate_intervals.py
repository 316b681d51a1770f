"""The interval of a rate, against statsmodels-free references: scipy's, and its own equation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trueodds_service.core.metrics.rate_intervals import Z_95, wilson_interval


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_it_is_scipys(trials, share):
    hits = round(share * trials)
    expected = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(hits / trials, trials)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= hits / trials <= high <= 1


def test_its_quantile():
    assert pytest.approx(stats.norm.ppf(0.975), abs=1e-12) == Z_95


def test_it_takes_many_at_once():
    low, high = wilson_interval(np.array([0.0, 0.5, 1.0]), np.array([3, 10, 7]))
    assert low.shape == high.shape == (3,)
    assert low[0] == 0
    assert high[2] == 1
    assert (low < high).all()
