"""What a sequential test has found: how much it is worth, and when it was enough."""

import math

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]


class Evidence:
    """Evidence against a promise, as the wealth of those who bet against it.

    ``log_wealth`` is its logarithm now, and ``largest`` at its highest. ``alarm_at`` is the number
    of outcomes after which it first reached 1/α, None if it never did: while the promise holds it
    ever does with a probability of at most ``alpha``.
    """

    def __init__(self, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
        self.alpha = alpha
        self.log_wealth = 0.0
        self.largest = 0.0
        self.alarm_at: int | None = None
        self.seen = 0

    def follow(self, log_wealth: _Array) -> None:
        """Takes up the wealth after each of n more outcomes, shape (n,)."""
        if len(log_wealth) == 0:
            return
        if self.alarm_at is None:
            (enough,) = np.nonzero(log_wealth >= -math.log(self.alpha))
            if len(enough):
                self.alarm_at = self.seen + int(enough[0]) + 1
        self.log_wealth = float(log_wealth[-1])
        self.largest = max(self.largest, float(log_wealth.max()))
        self.seen += len(log_wealth)
