"""Confidence against accuracy, in bins: reliability diagrams and the calibration error.

An expected calibration error says little alone: estimated from n items it is positive for a
perfectly calibrated model too, the more so the smaller n. ``null_ece`` is that floor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_correct
from trueodds_service.core.metrics.bin_edges import (
    DEFAULT_BINS,
    Binning,
    as_confidence,
    bin_of,
    edges_of,
)
from trueodds_service.core.metrics.bin_sums import BinSums

# The standard error of the result is then about 1 % of it, for 50 items as for 5,000.
_NULL_DRAWS = 500


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """One entry a bin, all arrays of shape (bins,).

    A bin holds ``lower`` < confidence ≤ ``upper``, the first one its lower edge too. ``count`` is
    the number of its items. ``confidence`` is their mean confidence and ``accuracy`` the share of
    right answers, in [0, 1] each; NaN in an empty bin.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def reliability_bins(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = DEFAULT_BINS,
    binning: Binning = "equal_width",
) -> ReliabilityBins:
    """Items in bins of confidence that together cover [0, 1].

    ``confidence``, shape (n,), n ≥ 1, is in [0, 1], and ``correct``, shape (n,), holds booleans or
    0 and 1. ``bins`` is how many, ≥ 1. ``binning`` is "equal_width", or "equal_mass" with edges at
    the quantiles: equal confidences share a bin, so that the order of items does not matter, and
    many ties leave fewer bins than asked for.

    Raises ValueError where an argument is not as described.
    """
    conf = as_confidence(confidence)
    right = as_correct(correct, conf.size)
    edges = edges_of(conf, bins, binning)
    index, size = bin_of(conf, edges), len(edges) - 1
    count = np.bincount(index, minlength=size)
    # An empty bin divides 0 by 0, which gives the documented NaN.
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, weights=conf, minlength=size) / count
        accuracy = np.bincount(index, weights=right, minlength=size) / count
    return ReliabilityBins(edges[:-1], edges[1:], count.astype(np.int64), mean_confidence, accuracy)


def ece(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = DEFAULT_BINS,
    binning: Binning = "equal_width",
) -> float:
    """Expected calibration error, in [0, 1]: mean |accuracy − confidence| over bins, by count.

    Naeini et al. 2015 (AAAI), Guo et al. 2017 (arXiv 1706.04599, Eq. 3). Arguments and errors
    are those of ``reliability_bins``.
    """
    conf = as_confidence(confidence)
    right = as_correct(correct, conf.size)
    edges = edges_of(conf, bins, binning)
    index = bin_of(conf, edges)
    return float(BinSums.of(conf, right, index, len(edges) - 1, np.ones(conf.size)).ece)


def null_ece(
    confidence: ArrayLike,
    bins: int = DEFAULT_BINS,
    binning: Binning = "equal_width",
    *,
    draws: int = _NULL_DRAWS,
    seed: int = 0,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Mean ECE of a perfectly calibrated model with exactly these confidences, in [0, 1].

    Each draw makes item i right with probability ``confidence[i]`` (the consistency resampling of
    Bröcker and Smith 2007, Weather and Forecasting). An ECE near this value shows no
    miscalibration. The result is a function of the arguments: the same seed, the same number.
    ``weights``, (n,), are those of the items; None is 1.

    Raises ValueError as ``reliability_bins`` does, and where ``draws`` < 1.
    """
    conf = as_confidence(confidence)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    item_weights = np.ones(conf.size) if weights is None else weights
    # Sorted, so that the order of the items does not decide which draw meets which.
    order = conf.argsort(kind="stable")
    conf, item_weights = conf[order], item_weights[order]
    edges = edges_of(conf, bins, binning, item_weights)
    index, generator = bin_of(conf, edges), np.random.default_rng(seed)
    total = 0.0
    # One draw at a time: all at once would need draws × n numbers.
    for _ in range(draws):
        right = generator.random(conf.size) < conf
        # n_b |acc_b − conf_b| is the absolute sum of the bin's residuals.
        total += float(np.abs(np.bincount(index, weights=item_weights * (right - conf))).sum())
    return total / (draws * float(item_weights.sum()))
