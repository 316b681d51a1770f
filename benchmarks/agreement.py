"""Whether two systems answered the same questions alike: only then are their speeds comparable."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """``told`` is the share of options that a logprob came for, the rest is over those.

    ``largest_difference`` is of logprobs, in nats. ``choices`` is the share of questions with
    the same likeliest option, among those whose two likeliest differ by more than twice that.
    """

    told: float
    largest_difference: float
    choices: float


def agreement(
    mine: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]]
) -> Agreement:
    """Compares logprobs question by question. Raises ValueError at unlike counts."""
    differences = [np.abs(a - b) for a, b in zip(mine, theirs, strict=True)]
    flat = np.concatenate(differences)
    told = ~np.isnan(flat)
    largest = float(flat[told].max()) if told.any() else float("nan")
    same = [
        int(np.argmax(a)) == int(np.argmax(b))
        for a, b in zip(mine, theirs, strict=True)
        if not np.isnan(a).any() and np.ptp(np.sort(b)[-2:]) > 2 * largest
    ]
    return Agreement(float(told.mean()), largest, float(np.mean(same)) if same else float("nan"))
