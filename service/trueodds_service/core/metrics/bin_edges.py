"""Bins of confidence that together cover [0, 1]: their edges, and which bin an item falls into."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_unit_interval

Binning = Literal["equal_width", "equal_mass"]

# The paper's; its "equal-sized" may mean either binning, so both are offered.
DEFAULT_BINS = 10


def as_confidence(values: ArrayLike) -> NDArray[np.float64]:
    """Confidences, shape (n,) with n ≥ 1, in [0, 1]. Raises ValueError at anything else."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"confidence must have shape (n,) with n >= 1, got {array.shape}")
    return as_unit_interval(array, "confidence")


def edges_of(
    confidence: NDArray[np.float64],
    bins: int,
    binning: Binning,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Edges, ascending from 0 to 1, shape (bins + 1,).

    "equal_width" spaces them evenly. "equal_mass" takes quantiles of ``confidence``, so that
    counts differ by at most one. Ties share a bin all the same: some bins are then fuller, others
    empty, and those between equal edges are left out. ``weights``, (n,), are how many items each
    stands for; None is 1.

    Raises ValueError where ``bins`` < 1 or ``binning`` is neither.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    match binning:
        case "equal_width":
            # The doubles nearest to i / bins, so that 0.3 is an edge of ten bins; linspace
            # multiplies, and comes to 0.30000000000000004.
            return np.arange(bins + 1) / bins
        case "equal_mass":
            # Items themselves are the edges, found by whole numbers: an interpolated quantile may
            # come to lie a rounding below the item that it should equal.
            order = confidence.argsort()
            upto = np.cumsum(np.ones(confidence.size) if weights is None else weights[order])
            ends = np.searchsorted(upto, upto[-1] * np.arange(1, bins) / bins, side="left")
            inner = confidence[order[np.minimum(ends, confidence.size - 1)]]
            return np.unique(np.concatenate(([0.0], inner, [1.0])))
        case _:
            raise ValueError(f"binning must be equal_width or equal_mass, got {binning!r}")


def bin_of(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of each confidence's bin: lower < confidence ≤ upper, the first bin with its 0.

    Guo et al. 2017 (arXiv 1706.04599), section 2: the interval ((m − 1) / M, m / M].
    """
    # Only inner edges decide: what lies on the outermost belongs to the first or the last bin.
    return np.searchsorted(edges[1:-1], confidence, side="left")
