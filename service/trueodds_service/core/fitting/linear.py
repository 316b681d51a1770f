"""Vector and matrix scaling, fitted near a temperature."""

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.log_floor import floored_log_softmax
from trueodds_service.core.calibrators.linear import LinearScaling
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.logistic_regression import softmax_regression

# Precisions of the normal prior around temperature scaling, of weights relative to 1 / T and of
# biases in nats: five items barely move a weight, a hundred do. An off-diagonal weight counts
# k − 1 times as much, for a row has k − 1 of them (ODIR: Kull et al. 2019).
WEIGHT_PRECISION = 20.0
BIAS_PRECISION = 4.0


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
    theta = softmax_regression(features, data.answers, data.item_weights, centre, precision)
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
    theta = softmax_regression(features, data.answers, data.item_weights, centre, precision)
    return _scaling(theta[:, :k].ravel() / temperature, theta[:, k])


def _scaling(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> LinearScaling:
    return LinearScaling(tuple(weights.tolist()), tuple(bias.tolist()))
