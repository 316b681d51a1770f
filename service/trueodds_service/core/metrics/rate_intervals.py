"""Intervals and bounds of a rate that was estimated from few trials."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The 97.5 % point of the normal distribution.
Z_95 = 1.959963984540054


def wilson_interval(
    rate: ArrayLike, trials: ArrayLike, z: float = Z_95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of rates, each of as many ``trials``, ≥ 1; all in [0, 1].

    Wilson 1927 (Journal of the American Statistical Association): the rates that are within z
    standard errors, their own, of the observed one. At 0 and at 1 it still has a width.
    """
    p, n = np.asarray(rate, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding would put the bound at a rate of 0 or 1 just beyond it.
    return np.clip(middle - half, 0.0, p), np.clip(middle + half, p, 1.0)


_HALVINGS = 60


def upper_bound(hits: int, trials: int, delta: float) -> float:
    """The rate at which ``hits`` or fewer of ``trials`` have probability ``delta``, in (0, 1].

    The true rate is above it with probability at most ``delta``, whatever it is.
    """
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if log_tail(hits, trials, middle) > math.log(delta):
            low = middle
        else:
            high = middle
    return high


def log_tail(hits: int, trials: int, rate: float) -> float:
    """ln of the probability of ``hits`` or fewer of ``trials``, at a rate in [0, 1]."""
    if rate <= 0 or rate >= 1:
        return 0.0 if rate <= 0 or hits >= trials else -math.inf
    counts = np.arange(hits + 1)
    terms = _log_choices(hits, trials) + counts * math.log(rate)
    terms += (trials - counts) * math.log1p(-rate)
    return float(np.logaddexp.reduce(terms))


def _log_choices(hits: int, trials: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """ln of the binomial coefficients of 0 … ``hits``."""
    counts = np.arange(1, hits + 1)
    steps = np.log(trials - counts + 1) - np.log(counts)
    return np.concatenate([[0.0], np.cumsum(steps)])
