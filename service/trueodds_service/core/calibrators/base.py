"""What a calibrator does to questions: option scores → calibrated probabilities."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Parameters = Mapping[str, tuple[float, ...]]


class Calibrator(Protocol):
    """A fitted map of option scores."""

    @property
    def parameters(self) -> Parameters:
        """All that it takes to make it again (``calibrator_of``); matrices row by row."""
        ...

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities, same shape (..., k), rows summing to one.

        ``scores`` are log-probabilities or logits, each row up to a constant; −inf is an option
        without mass and becomes exactly 0.

        Raises ValueError where ``scores`` contain NaN or +inf, a row is −inf throughout, or the
        calibrator is for another number of options.
        """
        ...
