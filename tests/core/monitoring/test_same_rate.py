"""Fisher's exact test beside scipy's."""

import pytest
from scipy.stats import fisher_exact

from trueodds_service.core.monitoring.same_rate import same_rate_p_value


@pytest.mark.parametrize(
    ("hits", "trials"),
    [
        ((0, 0), (1, 1)),
        ((1, 0), (1, 1)),
        ((3, 3), (10, 10)),
        ((0, 30), (40, 50)),
        ((10, 80), (50, 200)),
        ((7, 2), (9, 400)),
        ((500, 900), (5000, 7000)),
        ((4000, 0), (4000, 4000)),
        ((50, 200), (50, 200)),
    ],
)
def test_it_is_as_scipy_has_it(hits, trials):
    table = [[hit, n - hit] for hit, n in zip(hits, trials, strict=True)]
    expected = fisher_exact(table).pvalue
    assert same_rate_p_value(hits, trials) == pytest.approx(expected, rel=1e-6, abs=1e-300)
    turned = same_rate_p_value(hits[::-1], trials[::-1])
    assert turned == pytest.approx(expected, rel=1e-6, abs=1e-300)
