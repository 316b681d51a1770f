"""What a calibrator does to questions: option scores → calibrated probabilities."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum, softmax_of_shifted

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

        Raises
        ------
        ValueError
            If ``scores`` contain NaN or +inf, a row is −inf throughout, or the calibrator is
            for another number of options.
        """
        ...


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """softmax(scores / T): Guo et al. 2017 (arXiv 1706.04599), section 4.2.

    It never changes which option is the most likely. T > 1 lowers confidence, T < 1 raises it,
    and T = 1 is the answer distribution itself.

    Raises
    ------
    ValueError
        If ``temperature`` is not finite and above zero.
    """

    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be finite and above zero, got {self.temperature}")

    @property
    def parameters(self) -> Parameters:
        return {"temperature": (self.temperature,)}

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """As ``Calibrator.apply``."""
        # Shifted first, so that a quotient too large for float64 is −inf, an option without mass,
        # and never +inf.
        shifted = below_maximum(as_logits(scores, "scores"))
        with np.errstate(over="ignore"):
            shifted /= self.temperature
        return softmax_of_shifted(shifted)
