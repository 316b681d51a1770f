"""The interval of a rate that was estimated from few trials."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The 97.5 % point of the normal distribution.
Z_95 = 1.959963984540054


def wilson_interval(
    rate: ArrayLike, trials: ArrayLike, z: float = Z_95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of rates, each of so many trials ≥ 1; all in [0, 1].

    Wilson 1927 (Journal of the American Statistical Association): the rates that are within z
    standard errors, their own, of the observed one. At 0 and at 1 it still has a width.
    """
    p, n = np.asarray(rate, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding would put the bound at a rate of 0 or 1 just beyond it.
    return np.clip(middle - half, 0.0, p), np.clip(middle + half, p, 1.0)
