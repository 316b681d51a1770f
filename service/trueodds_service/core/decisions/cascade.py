"""A cascade: a first model answers where it is sure enough, and a last one answers the rest.

How sure is enough is what ``abstention_threshold`` finds for the first model, and its promise the
same: of what the first model answers, no more is wrong than the target, with probability 1 − δ.
Nothing is promised of what goes on to the last.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_probabilities

METHOD = "cascade"
"""What stored records call how a cascade's threshold is found."""


@dataclass(frozen=True, slots=True)
class InTurn:
    """Whose answer to each of n questions stands, (n,), and what is answered, (n, k)."""

    by_first: NDArray[np.bool_]
    probs: NDArray[np.float64]


def in_turn(first: ArrayLike, last: ArrayLike, min_confidence: float) -> InTurn:
    """What a cascade answers, of what either model would, (n, k) each.

    Raises ValueError where probabilities are malformed, or the two are not of the same questions.
    """
    own, others = as_probabilities(first, "first"), as_probabilities(last, "last")
    if own.shape != others.shape:
        raise ValueError(f"first and last differ in shape: {own.shape} and {others.shape}")
    by_first = np.minimum(own.max(axis=1), 1.0) >= min_confidence
    return InTurn(by_first, np.where(by_first[:, np.newaxis], own, others))
