"""Vector and matrix scaling: the log-probabilities through a linear map, option by option."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum, softmax_of_shifted
from trueodds_service.core.calibrators.base import Parameters
from trueodds_service.core.fitting.cross_entropy import LOG_FLOOR
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.logistic_regression import softmax_regression

# Precisions of the normal prior around temperature scaling, of weights relative to 1 / T and of
# biases in nats: five items barely move a weight, a hundred do. An off-diagonal weight counts
# k − 1 times as much, for there are so many of it a row (ODIR: Kull et al. 2019).
WEIGHT_PRECISION = 20.0
BIAS_PRECISION = 4.0

# A matrix of more options is of hundreds of numbers, for which nobody has the labels.
MAX_MATRIX_OPTIONS = 16


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """softmax(W · ln p + b) with ln p the log-probabilities over the options.

    ``weights`` holds W's diagonal, (k,), or W itself row by row, (k²,); ``bias`` is b, (k,).
    Vector scaling: Guo et al. 2017 (arXiv 1706.04599); Dirichlet calibration: Kull et al. 2019
    (arXiv 1910.12656). A log-probability counts as at least ``LOG_FLOOR``.

    Raises
    ------
    ValueError
        If a number is not finite or their counts do not fit.
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


def floored_log_softmax(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities over the options, shape (..., k), at least ``LOG_FLOOR``."""
    x = below_maximum(array)
    # A product with ones: several times as fast as a sum over a short last axis.
    x -= np.log(np.exp(x) @ np.ones(x.shape[-1]))[..., np.newaxis]
    return np.maximum(x, LOG_FLOOR, out=x)


def fit_vector(
    data: FitData,
    temperature: float,
    weight_precision: float = WEIGHT_PRECISION,
    bias_precision: float = BIAS_PRECISION,
) -> LinearScaling:
    """A weight and a bias for each option, held near ``temperature``'s; all items labelled."""
    n, k = data.logprobs.shape
    features = np.ones((n, k, 2))
    features[..., 0] = floored_log_softmax(data.logprobs) / temperature
    centre = np.tile([1.0, 0.0], (k, 1))
    precision = np.tile([weight_precision, bias_precision], (k, 1))
    theta = softmax_regression(features, data.right, data.counts, centre, precision)
    return _scaling(theta[:, 0] / temperature, theta[:, 1])


def fit_matrix(
    data: FitData,
    temperature: float,
    weight_precision: float = WEIGHT_PRECISION,
    bias_precision: float = BIAS_PRECISION,
) -> LinearScaling:
    """A matrix and a bias for each option, held near ``temperature``'s; all items labelled."""
    n, k = data.logprobs.shape
    x = np.ones((n, 1, k + 1))
    x[:, 0, :k] = floored_log_softmax(data.logprobs) / temperature
    centre = np.eye(k, k + 1)
    precision = np.full((k, k + 1), weight_precision * max(k - 1, 1))
    precision[np.diag_indices(k)] = weight_precision
    precision[:, k] = bias_precision
    features = np.broadcast_to(x, (n, k, k + 1))
    theta = softmax_regression(features, data.right, data.counts, centre, precision)
    return _scaling(theta[:, :k].ravel() / temperature, theta[:, k])


def _scaling(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> LinearScaling:
    return LinearScaling(tuple(weights.tolist()), tuple(bias.tolist()))
