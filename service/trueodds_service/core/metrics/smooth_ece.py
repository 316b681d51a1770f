"""Smooth calibration error: no bins, and no jumps when a confidence crosses an edge.

Błasiok and Nakkiran 2024 (arXiv 2309.12236): the residuals confidence − correct, smoothed over
confidence by a Gaussian that the ends of [0, 1] reflect, are integrated in absolute value; the
width of the Gaussian is the one that equals the result. Reflected Gaussians are diagonal in the
cosine series, of which two products of matrices make all widths, of many resamples at a time.
"""

import math

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

# The narrowest Gaussian: a miscalibration of less than this is not worth a narrower one.
_LEAST_WIDTH = 0.005

# Beyond this one cosine the narrowest Gaussian leaves less than 1e-9.
_COSINES = math.ceil(6.5 / (math.pi * _LEAST_WIDTH))

# Midpoints at which the smoothed residuals are evaluated.
_GRID = (np.arange(256) + 0.5) / 256

# Halvings of the width: to 2⁻¹⁶, far below what n items can tell.
_HALVINGS = 16


# Items whose cosines are in memory at a time.
_ITEMS = 4096


def smooth_ece(confidence: _Array, residuals: _Array) -> _Array:
    """smECE, (...), in [0, 1], of confidences, (n,), and residuals, (..., n): confidence − correct,
    times the part of all weight that each item has.
    """
    order = np.arange(_COSINES)
    series = np.zeros((*residuals.shape[:-1], _COSINES))
    for start in range(0, len(confidence), _ITEMS):
        some = slice(start, start + _ITEMS)
        series += residuals[..., some] @ np.cos(math.pi * np.outer(confidence[some], order))
    # ∫ cos² is 1/2 but for the constant, whose is 1.
    series[..., 1:] *= 2
    basis = np.cos(math.pi * np.outer(order, _GRID))

    def at(width: _Array) -> _Array:
        damped = series * np.exp(-0.5 * (math.pi * width[..., np.newaxis] * order) ** 2)
        return np.asarray(np.abs(damped @ basis).mean(axis=-1))

    low = np.full(series.shape[:-1], _LEAST_WIDTH)
    high = np.ones(series.shape[:-1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        wider = at(middle) > middle
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    return at(low)
