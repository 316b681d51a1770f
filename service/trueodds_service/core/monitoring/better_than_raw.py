"""Is the calibrator still better than none? Bets that the raw probabilities score better.

Score-difference e-values (Henzi, Ziegel 2022, arXiv 2103.08402) of the Brier score over all
options: with d its excess of the calibrated over the raw distribution, a factor is 1 + λ d / m,
where m is the most that the calibrated one could score better by. While it is expected to be no
worse, the factor's expectation is at most one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.wealth import Wealth

_Array = NDArray[np.float64]

_STAKES = np.array([0.05, 0.15, 0.4, 0.8])


class ImprovementTest:
    """Evidence that the raw probabilities are better. An alarm is false with at most ``alpha``."""

    def __init__(self, alpha: float = 0.01) -> None:
        self.worse_than_raw = Evidence(alpha)
        self._wealth = Wealth(len(_STAKES))

    def add(self, raw: ArrayLike, calibrated: ArrayLike, labels: ArrayLike) -> None:
        """Takes up n more answers to questions of k options: two (n, k) distributions, n labels."""
        before, after = as_probabilities(raw, "raw"), as_probabilities(calibrated, "calibrated")
        if before.shape != after.shape:
            raise ValueError(f"raw {before.shape} and calibrated {after.shape} differ in shape")
        right = as_labels(labels, *before.shape)
        # Σ (p − e)² = Σ p² − 2 p[right] + 1: what a label adds to the excess is linear.
        excess = np.sum(after**2 - before**2, axis=1, keepdims=True) - 2 * (after - before)
        most = -excess.min(axis=1)
        d = excess[np.arange(len(right)), right]
        # Where no label could speak for the calibrated one, there is nothing to bet on.
        scaled = np.divide(d, most, out=np.zeros_like(d), where=most > 0)
        self.worse_than_raw.follow(self._wealth.play(np.log1p(np.outer(scaled, _STAKES))))
