"""Do values come from where they came from? It needs no labels, and tells nothing of calibration.

A value's rank among all before it is uniform, and independent of theirs, as long as the order of
all values says nothing (Vovk et al. 2005, section 7.1). Bets on ranks that are too high, too low,
too often at the ends or in the middle are then fair. Values are told apart in steps of 1/256 and
equal ones get their rank by lot, so that no more than as many counts are kept.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_unit_interval
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.wealth import Wealth

_Array = NDArray[np.float64]

_STEPS = 256
_TILTS = np.array([-0.9, -0.5, -0.25, 0.25, 0.5, 0.9])


class ShiftTest:
    """Evidence that values in [0, 1] changed: confidences, or whether a teacher disagrees.

    ``reference`` are values that the new ones are to be like, such as those of the fit. An alarm
    is false with at most ``alpha``: a reason to look, not a broken promise.
    """

    def __init__(self, reference: ArrayLike = (), alpha: float = 0.01, seed: int = 0) -> None:
        self.shifted = Evidence(alpha)
        self._counts = np.bincount(_step(reference), minlength=_STEPS)
        self._wealth = Wealth(2 * len(_TILTS))
        self._lots = np.random.default_rng(seed)

    def add(self, values: ArrayLike) -> None:
        """Takes up n more values, shape (n,)."""
        ranks = np.array([self._rank(step) for step in _step(values)])
        slope = 2 * ranks - 1
        ends = 2 * np.abs(slope) - 1
        tilted = np.hstack([np.outer(slope, _TILTS), np.outer(ends, _TILTS)])
        self.shifted.follow(self._wealth.play(np.log1p(tilted)))

    def _rank(self, step: int) -> float:
        """Where a value stands among all so far and itself, uniform in [0, 1]."""
        self._counts[step] += 1
        below = int(self._counts[:step].sum())
        return float((below + self._lots.random() * self._counts[step]) / self._counts.sum())


def _step(values: ArrayLike) -> NDArray[np.int64]:
    inside = as_unit_interval(values, "values")
    return np.minimum((inside * _STEPS).astype(np.int64), _STEPS - 1)
