"""One temperature for all options: softmax(scores / T)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum, softmax_of_shifted
from trueodds_service.core.calibrators.base import Parameters


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """softmax(scores / T): Guo et al. 2017 (arXiv 1706.04599), section 4.2.

    It never changes which option is the most likely. T > 1 lowers confidence, T < 1 raises it,
    and T = 1 is the answer distribution itself.

    Raises ValueError unless ``temperature`` is finite and above zero.
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
