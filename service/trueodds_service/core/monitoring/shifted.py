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
# So many are ranked at once; row i marks which of these value i is ranked among.
_AT_ONCE = 256
_RANKED_AMONG = np.tri(_AT_ONCE, dtype=bool)
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
        steps = _step(values)
        chunks = [steps[at : at + _AT_ONCE] for at in range(0, len(steps), _AT_ONCE)]
        ranks = np.concatenate([np.empty(0), *map(self._ranks, chunks)])
        slope = 2 * ranks - 1
        ends = 2 * np.abs(slope) - 1
        tilted = np.hstack([np.outer(slope, _TILTS), np.outer(ends, _TILTS)])
        self.shifted.follow(self._wealth.play(np.log1p(tilted)))

    def _ranks(self, steps: NDArray[np.int64]) -> _Array:
        """Where each stands among all before it and itself, uniform in [0, 1]."""
        before = self._counts.cumsum() - self._counts
        among = _RANKED_AMONG[: len(steps), : len(steps)]
        below = before[steps] + (among & (steps < steps[:, np.newaxis])).sum(axis=1)
        alike = self._counts[steps] + (among & (steps == steps[:, np.newaxis])).sum(axis=1)
        numbers = self._counts.sum() + np.arange(1, len(steps) + 1)
        self._counts += np.bincount(steps, minlength=_STEPS)
        return np.asarray((below + self._lots.random(len(steps)) * alike) / numbers)


def _step(values: ArrayLike) -> NDArray[np.int64]:
    inside = as_unit_interval(values, "values")
    return np.minimum((inside * _STEPS).astype(np.int64), _STEPS - 1)
