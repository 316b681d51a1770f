"""What a calibrator does to one question: its option logprobs → calibrated probabilities."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.checks import as_logits
from trueodds_service.core.distributions import below_maximum, softmax


class Method(StrEnum):
    """How a calibrator's temperature is found. The values are part of stored records."""

    IDENTITY = "identity"
    CONSTANT = "constant"
    TEMPERATURE = "temperature"
    TEACHER_KL = "teacher_kl"


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """softmax(option logprobs / T): Guo et al. 2017 (arXiv 1706.04599), section 4.2.

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

    def apply(self, option_logprobs: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (k,) or (..., k) as given; −inf becomes exactly 0.

        Raises
        ------
        ValueError
            If ``option_logprobs`` contain NaN or +inf, or a row is −inf throughout.
        """
        # Shifted first, so that a quotient too large for float64 is −inf, an option without mass,
        # and never +inf.
        shifted = below_maximum(as_logits(option_logprobs, "option_logprobs"))
        with np.errstate(over="ignore"):
            return softmax(shifted / self.temperature)
