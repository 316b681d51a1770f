"""Does confidence tell right from wrong answers? AUROC, and the risk of answering only some."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_correct
from trueodds_service.core.metrics.bin_edges import as_confidence

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What answering only from a confidence on comes to, one entry a threshold, (thresholds,).

    ``threshold`` are the distinct confidences, descending. ``coverage`` is the share of items at
    least as confident, ascending to 1, and ``risk`` the share of wrong answers among these, in
    [0, 1].
    """

    threshold: _Array
    coverage: _Array
    risk: _Array


def risk_coverage(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None
) -> RiskCoverage:
    """The risk-coverage curve: El-Yaniv and Wiener 2010 (JMLR), Geifman and El-Yaniv 2017.

    ``confidence`` and ``correct`` are as for ``reliability.reliability_bins``; ``weights``, (n,),
    are above zero.

    Raises ValueError where ``confidence`` or ``correct`` is not as described.
    """
    conf = as_confidence(confidence)
    right = as_correct(correct, conf.size)
    item_weights = np.ones(conf.size) if weights is None else np.asarray(weights, dtype=np.float64)
    order = (-conf).argsort(kind="stable")
    conf = conf[order]
    ends = np.append(conf[1:] != conf[:-1], True)
    answered = np.cumsum(item_weights[order])[ends]
    wrong = np.cumsum((item_weights * (1 - right))[order])[ends]
    return RiskCoverage(conf[ends], answered / answered[-1], wrong / answered)


def auroc(
    correct: _Array, first: NDArray[np.intp], after: NDArray[np.intp], weights: _Array
) -> _Array:
    """Probability that a right answer is more confident than a wrong one, ties as halves, (...).

    Items are in ascending order of confidence, and items [first, after) equal each one. Where all
    are right or all wrong there is nothing to tell apart: 0.5.
    """
    right, wrong = weights * correct, weights * (1 - correct)
    below = _upto(wrong)
    ranks = (below[..., first] + below[..., after]) / 2
    pairs = right.sum(axis=-1) * wrong.sum(axis=-1)
    won = (right * ranks).sum(axis=-1)
    return np.asarray(np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), 0.5))


def aurc(correct: _Array, first: NDArray[np.intp], weights: _Array) -> _Array:
    """Area under the risk-coverage curve: the mean risk over the items as thresholds, (...).

    Geifman et al. 2019 (arXiv 1805.08206); arguments are those of ``auroc``.
    """
    total = weights.sum(axis=-1, keepdims=True)
    wrong = weights * (1 - correct)
    answered = total - _upto(weights)[..., first]
    errors = wrong.sum(axis=-1, keepdims=True) - _upto(wrong)[..., first]
    risk = errors / np.where(answered > 0, answered, 1.0)
    # Sums that should be equal differ by rounding where every answer is right.
    return np.asarray((weights * np.clip(risk, 0.0, 1.0)).sum(axis=-1) / total[..., 0])


def _upto(values: _Array) -> _Array:
    """Sums of the items before each, (..., n + 1)."""
    zero = np.zeros((*values.shape[:-1], 1))
    return np.concatenate([zero, np.cumsum(values, axis=-1)], axis=-1)
