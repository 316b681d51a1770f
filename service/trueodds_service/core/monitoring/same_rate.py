"""Are two rates the same, as far as their counts tell? It is for who looks once."""

import math

import numpy as np
from numpy.typing import NDArray

# Rounding must not part counts that are equally likely, such as those of two equal samples.
_TIE = 1e-9


def same_rate_p_value(hits: tuple[int, int], trials: tuple[int, int]) -> float:
    """Fisher's exact test, two-sided, of ``hits`` in so many ``trials``, ≥ 1: its p-value.

    Of all ways to part the hits between the two, the probability of those that are no likelier.
    """
    first, second = trials
    total = sum(hits)
    counts = np.arange(max(0, total - second), min(total, first) + 1)
    logs = _log_choices(first)[counts] + _log_choices(second)[total - counts]
    shares = np.exp(logs - np.logaddexp.reduce(logs))
    seen = shares[hits[0] - counts[0]]
    return float(min(shares[shares <= seen * (1 + _TIE)].sum(), 1.0))


def _log_choices(n: int) -> NDArray[np.float64]:
    """ln of the binomial coefficients of n and 0 … n."""
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    return np.asarray(logs[-1] - logs - logs[::-1])
