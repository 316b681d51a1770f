"""Is a confidence of c right c of the time? Bets on it, over all answers and in bins.

A bet is a likelihood ratio: that the answer is right with q instead of c, where logit q =
logit c + δ. Its factor, q / c for a right answer and (1 − q) / (1 − c) for a wrong one, has the
expectation one exactly while c is kept (Arnold, Henzi, Ziegel 2023, AOAS 17(3), bet in other ways).
δ < 0 wins where confidences are too high, δ > 0 where they are too low. Bins find what is too high
here and too low there. The mean of wealths is a wealth.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_correct, as_unit_interval
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.wealth import Wealth

_Array = NDArray[np.float64]

_SHIFTS = np.array([0.25, 0.5, 1.0, 2.0])
_BINS = 10


class CalibrationTest:
    """Evidence that confidences promise too much (``too_high``), too little (``too_low``), or are
    wrong in any way that bins can tell (``any``). Each alarm is false with at most ``alpha``.
    """

    def __init__(self, alpha: float = 0.01) -> None:
        self.too_high, self.too_low, self.any = (Evidence(alpha) for _ in range(3))
        self._everywhere = _Bets()
        self._in_bin = [_Bets() for _ in range(_BINS)]

    def add(self, confidences: ArrayLike, correct: ArrayLike) -> None:
        """Takes up n more answers, in the order that their outcomes came in.

        ``confidences`` of the chosen options, in [0, 1], and whether those were right; shape (n,).
        """
        c = as_unit_interval(confidences, "confidences")
        if c.ndim != 1:
            raise ValueError(f"confidences must have shape (n,), got {c.shape}")
        right = as_correct(correct, len(c))
        high, low = self._everywhere.play(c, right)
        self.too_high.follow(high)
        self.too_low.follow(low)
        bins = np.minimum((c * _BINS).astype(int), _BINS - 1)
        local = [
            side for b, bets in enumerate(self._in_bin) for side in bets.play(c, right, bins == b)
        ]
        everywhere = np.logaddexp(high, low) - np.log(2)
        in_bins = np.logaddexp.reduce(local, axis=0) - np.log(len(local))
        self.any.follow(np.logaddexp(everywhere, in_bins) - np.log(2))


class _Bets:
    """Those who bet on confidences that are too high, and those on too low ones."""

    def __init__(self) -> None:
        self._sides = [(-_SHIFTS, Wealth(len(_SHIFTS))), (_SHIFTS, Wealth(len(_SHIFTS)))]
        self._now = [0.0, 0.0]

    def play(
        self, c: _Array, right: _Array, chosen: NDArray[np.bool_] | None = None
    ) -> list[_Array]:
        """Both log wealths after each of n answers, shape (n,) each; ``chosen`` are bet on."""
        if chosen is not None:
            # Before the first that is bet on, the wealth is what it was.
            place = np.cumsum(chosen)
            c, right = c[chosen], right[chosen]
        paths = []
        for side, (shifts, wealth) in enumerate(self._sides):
            path = np.append(self._now[side], wealth.play(_log_factors(c, right, shifts)))
            self._now[side] = float(path[-1])
            paths.append(path[1:] if chosen is None else path[place])
        return paths


def _log_factors(c: _Array, right: _Array, shifts: _Array) -> _Array:
    """The log likelihood ratios, shape (n, m): finite at c of 0 and of 1."""
    return np.asarray(np.outer(right, shifts) - np.log1p(np.outer(c, np.expm1(shifts))))
