"""Exact confidence bounds of a rate (Clopper and Pearson 1934, Biometrika)."""

import math

import numpy as np

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
