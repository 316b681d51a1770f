"""What a gambler who bets against a promise is worth: evidence that may be looked at at any time.

Each outcome multiplies what is staked on it by a factor whose expectation is at most one while the
promise holds. Such a wealth, one at the start, ever reaches 1/α with a probability of at most α
(Ville 1939): an alarm there is false with no more than that, however often one looks.

A promise is broken one day, not always on the first. So the gambler lays his stake down little by
little: before outcome t he puts S(t − 1) − S(t) of it on his bets, with S(t) = 1 / (1 + ln(1 + t)),
and keeps the rest. A break at outcome t then costs him about ln t + 2 ln ln t, and no longer wait:
bets that lie since the start would first have to win back what they lost.
"""

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]


class Wealth:
    """The wealth of a gambler with m bets, among which each part of the stake is divided alike."""

    def __init__(self, bets: int) -> None:
        self._log_staked = np.full(bets, -np.inf)
        self._seen = 0

    def play(self, log_factors: _Array) -> _Array:
        """The logarithm of the wealth after each of n more outcomes, shape (n,).

        ``log_factors``, shape (n, m), are the logarithms of what each outcome multiplies a bet by.
        """
        n, bets = log_factors.shape
        if n == 0:
            return np.empty(0)
        times = np.arange(self._seen + 1, self._seen + n + 1, dtype=float)
        laid = _log_laid_down(times) - np.log(bets)
        won = np.cumsum(log_factors, axis=0)
        # A part laid down before outcome s has won all that came from s on.
        parts = laid[:, np.newaxis] - (won - log_factors)
        parts[0] = np.logaddexp(parts[0], self._log_staked)
        staked = won + np.logaddexp.accumulate(parts, axis=0)
        self._log_staked = staked[-1]
        self._seen += n
        kept = -np.log1p(np.log1p(times))
        return np.asarray(np.logaddexp(kept, np.logaddexp.reduce(staked, axis=1)))


def _log_laid_down(times: _Array) -> _Array:
    """ln(S(t − 1) − S(t)), without the digits that a difference would lose."""
    before, after = np.log(times), np.log1p(times)
    return np.asarray(np.log(np.log1p(1 / times)) - np.log1p(before) - np.log1p(after))
