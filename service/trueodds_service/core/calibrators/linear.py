"""Vector and matrix scaling: the log-probabilities through a linear map, option by option."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum, softmax_of_shifted
from trueodds_service.core.arrays.log_floor import floored_log_softmax
from trueodds_service.core.calibrators.base import Parameters

# A matrix of more options is of hundreds of numbers, for which nobody has the labels.
MAX_MATRIX_OPTIONS = 16


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """softmax(W · ln p + b) with ln p the log-probabilities over the options.

    ``weights`` holds W's diagonal, (k,), or W itself row by row, (k²,); ``bias`` is b, (k,).
    Vector scaling: Guo et al. 2017 (arXiv 1706.04599); Dirichlet calibration: Kull et al. 2019
    (arXiv 1910.12656). A log-probability counts as at least ``LOG_FLOOR``.

    Raises ValueError where a number is not finite, or the counts of numbers do not fit.
    """

    weights: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        k = len(self.bias)
        if k == 0 or len(self.weights) not in {k, k * k}:
            raise ValueError(f"{len(self.weights)} weights do not fit {k} biases")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("weights and bias must be finite")

    @property
    def parameters(self) -> Parameters:
        return {"weights": self.weights, "bias": self.bias}

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """As ``Calibrator.apply``."""
        array = as_logits(scores, "scores")
        k = len(self.bias)
        if array.shape[-1] != k:
            raise ValueError(f"scores must have {k} options, got shape {array.shape}")
        x = floored_log_softmax(array)
        weights = np.array(self.weights)
        logits = x * weights if len(weights) == k else x @ weights.reshape(k, k).T
        logits += np.array(self.bias)
        if np.isneginf(array.min()):
            logits = np.where(np.isneginf(array), -np.inf, logits)
        return softmax_of_shifted(below_maximum(logits))
