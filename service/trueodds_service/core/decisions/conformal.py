"""Answer sets that hold the right option as often as was promised.

The guarantee holds for items exchangeable with the labelled ones that the threshold was found on,
whatever the model: those must be neither what the calibrator was fitted on nor chosen by eye.
"""

import math
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities, require_items

_Array = NDArray[np.float64]


class ConformalScore(StrEnum):
    """How well an option conforms; the values are part of stored records.

    LAC: one less its probability (Sadinle et al. 2019), the smallest sets on average. APS: the
    probability of all options at least as likely (Romano et al. 2020, arXiv 2006.02544), which
    adapts to how hard a question is. It is not randomised here, so that the same question gets the
    same set; its sets then cover more than they promise, the more so the fewer options there are.
    """

    LAC = "lac"
    APS = "aps"


def conformal_threshold(
    probs: ArrayLike, labels: ArrayLike, alpha: float, score: ConformalScore
) -> float:
    """The largest score of an option in an answer set that holds the right one 1 − α of the time.

    It is the ceil((n + 1)(1 − α)) / n quantile of the right options' scores (Vovk et al. 2005;
    Kumar et al. 2023, arXiv 2305.18404, for multiple choice). The set of a new item then holds
    the right option with probability at least 1 − α, on average over items and over the draw of
    these n. Infinite, for sets of every option, where n is below 1/α − 1.

    Raises ValueError where probabilities or labels are malformed, or ``alpha`` is not in (0, 1).
    """
    array, right = _check(probs, labels)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
    n = len(array)
    # (n + 1)(1 − α) is a whole number often enough for its rounding to matter.
    rank = math.ceil((n + 1) * (1 - alpha) - 1e-9)
    if rank > n:
        return math.inf
    scores = _scores(array, score)[np.arange(n), right]
    return float(np.partition(scores, rank - 1)[rank - 1])


def answer_sets(probs: ArrayLike, threshold: float, score: ConformalScore) -> NDArray[np.bool_]:
    """Which options are in the answer set, shape (..., k); the likeliest always is.

    ``threshold`` is of ``conformal_threshold`` with the same ``score``. A set without the
    likeliest option would be empty: having it costs nothing of the coverage.

    Raises ValueError where ``probs`` are malformed, or ``threshold`` is NaN.
    """
    array = as_probabilities(probs, "probs")
    if math.isnan(threshold):
        raise ValueError("threshold must not be NaN")
    likeliest = array == array.max(axis=-1, keepdims=True)
    return np.asarray((_scores(array, score) <= threshold) | likeliest)


def _scores(probs: _Array, score: ConformalScore) -> _Array:
    if score is ConformalScore.LAC:
        return 1 - probs
    # Those at least as likely, itself among them, in whatever order ties come.
    order = (-probs).argsort(axis=-1, kind="stable")
    ranked = np.take_along_axis(probs, order, axis=-1)
    upto = np.cumsum(ranked, axis=-1)
    k = probs.shape[-1]
    last = np.full(probs.shape, k - 1)
    for place in range(k - 2, -1, -1):
        tied = ranked[..., place] == ranked[..., place + 1]
        last[..., place] = np.where(tied, last[..., place + 1], place)
    scores = np.empty_like(probs)
    np.put_along_axis(scores, order, np.take_along_axis(upto, last, axis=-1), axis=-1)
    return scores


def _check(probs: ArrayLike, labels: ArrayLike) -> tuple[_Array, NDArray[np.int64]]:
    array = as_probabilities(probs, "probs")
    require_items(array, "probs")
    return array, as_labels(labels, *array.shape)
