"""A calibrator of scores that a label's own prior was taken from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum
from trueodds_service.core.calibrators.base import Calibrator, Parameters


@dataclass(frozen=True, slots=True)
class Debiased:
    """A calibrator of scores less ``log_prior``, (k,), finite; it may change the choice.

    Raises ValueError where ``log_prior`` is empty or not finite.
    """

    log_prior: tuple[float, ...]
    calibrator: Calibrator

    def __post_init__(self) -> None:
        if not self.log_prior or not np.isfinite(self.log_prior).all():
            raise ValueError(f"log_prior must be finite, got {self.log_prior}")

    @property
    def parameters(self) -> Parameters:
        return {**self.calibrator.parameters, "log_prior": self.log_prior}

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """As ``Calibrator.apply``."""
        array = as_logits(scores, "scores")
        if array.shape[-1] != len(self.log_prior):
            raise ValueError(f"scores must have {len(self.log_prior)} options, got {array.shape}")
        return self.calibrator.apply(below_maximum(array) - np.array(self.log_prior))
