"""How good a set of answer distributions is, against the right answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities, require_items
from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.bootstrap import resampled
from trueodds_service.core.metrics.reliability import null_ece
from trueodds_service.core.metrics.weighted import SortedAnswers, losses, measures


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of n answer distributions. Lower is better unless it says otherwise.

    The calibration errors cannot be read without ``n``, the number of items. ``accuracy`` is the
    share of right choices, in [0, 1], higher is better; ``confidence`` is the mean confidence, in
    [0, 1], and above the accuracy the model is overconfident.

    ``ece`` and ``ece_equal_mass`` are the expected calibration error, in [0, 1], in bins of equal
    width and of equal mass. ``null_ece`` is what ``ece`` would be, on average, for perfect
    calibration at these confidences. ``overconfidence`` and ``underconfidence`` are the parts of
    ``ece`` from bins that claim too much and too little, and ``mce``, in [0, 1], is the largest gap
    of a bin of equal width. ``ece_debiased`` is the root mean square calibration error without what
    chance adds, in bins of equal mass; ``ece_smooth``, in [0, 1], needs no bins; ``ece_classwise``,
    in [0, 1], is the mean over options of the calibration error of their probabilities.

    ``nll`` is the mean negative log-likelihood of the right options, in nats. ``brier`` is the
    multi-class Brier score, in [0, 2]: ``brier_reliability``, the miscalibration, less
    ``brier_resolution``, how far answers tell items apart (higher is better), plus
    ``brier_uncertainty``, what the labels alone leave open.

    ``auroc``, in [0, 1], is the probability that a right answer is more confident than a wrong one;
    higher is better, and it is 0.5 where all are right or all wrong. ``aurc`` is the area under the
    risk-coverage curve, in [0, 1].
    """

    n: int
    accuracy: float
    confidence: float
    ece: float
    ece_equal_mass: float
    null_ece: float
    nll: float
    brier: float
    brier_reliability: float
    brier_resolution: float
    brier_uncertainty: float
    ece_debiased: float
    ece_smooth: float
    ece_classwise: float
    mce: float
    overconfidence: float
    underconfidence: float
    auroc: float
    aurc: float


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle ``level`` of a metric's bootstrap distribution."""

    low: float
    high: float


def evaluate(
    probs: ArrayLike,
    labels: ArrayLike,
    bins: int = DEFAULT_BINS,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Metrics:
    """All metrics at once.

    ``probs`` are answer distributions, shape (n, k), n ≥ 1, and ``labels`` the indices of the right
    options, shape (n,), integers in [0, k). ``bins`` ≥ 1 are those of the calibration errors, and
    ``seed`` is of the simulation behind ``null_ece``. ``weights``, shape (n,), are ≥ 0 with a
    positive, finite sum: an item of weight 2 counts as two of weight 1; None is 1 throughout.

    Raises ValueError where an argument is not as described.
    """
    array, right = _check(probs, labels)
    item_weights = _weights(weights, len(array))
    answers = SortedAnswers.of(array, right)
    item_weights = item_weights[answers.order]
    found = measures(answers, item_weights, bins)
    return Metrics(
        n=len(array),
        null_ece=null_ece(answers.confidence, bins, seed=seed, weights=item_weights),
        **{name: float(value) for name, value in found.items()},
    )


def intervals(
    probs: ArrayLike,
    labels: ArrayLike,
    bins: int = DEFAULT_BINS,
    seed: int = 0,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """Bootstrap percentile intervals of every metric but n and ``null_ece``, by name.

    Items are drawn with replacement, n at a time (Efron and Tibshirani 1993). A plug-in ECE is
    biased upwards, and its interval with it: read it beside ``null_ece``. The same arguments give
    the same intervals. ``level`` lies in (0, 1) and ``resamples`` is ≥ 1; other arguments, and
    errors, are those of ``evaluate``.
    """
    array, right = _check(probs, labels)
    item_weights = _weights(weights, len(array))
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    answers = SortedAnswers.of(array, right)
    item_weights = item_weights[answers.order]
    drawn = []
    for drawings in resampled(len(array), resamples, seed):
        times = drawings * item_weights
        # A resample of items without any weight says nothing.
        drawn.append(measures(answers, times[times.sum(axis=1) > 0], bins))
    return {
        name: percentile_interval(np.concatenate([each[name] for each in drawn]), level)
        for name in drawn[0]
    }


def percentile_interval(values: NDArray[np.float64], level: float) -> Interval:
    """What holds the middle share ``level``, in (0, 1), of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def accuracy(probs: ArrayLike, labels: ArrayLike) -> float:
    """Share of items whose most likely option (of ties the first) is right, in [0, 1]."""
    array, right = _check(probs, labels)
    return float((choice(array) == right).mean())


def nll(probs: ArrayLike, labels: ArrayLike) -> float:
    """Mean of −ln p(right option), in nats, ≥ 0.

    A right option of probability zero costs 87.3 nats (−``LOG_FLOOR``) rather than ∞, so that one
    item cannot hide all others.
    """
    return mean_nll(*_check(probs, labels))


def mean_nll(
    probs: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """``nll`` of arrays that are known to be right, with weights, (n,), of the items."""
    return float(np.average(losses(probs, labels), weights=weights))


def brier(probs: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance to the one-hot right answer, summed over options, in [0, 2].

    Brier 1950 (Monthly Weather Review), the original form: for two options it is twice what many
    libraries call the Brier score.
    """
    array, right = _check(probs, labels)
    return float(np.mean(((array - np.eye(array.shape[1])[right]) ** 2).sum(axis=1)))


def _check(probs: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    array = as_probabilities(probs, "probs")
    require_items(array, "probs")
    return array, as_labels(labels, *array.shape)


def _weights(values: ArrayLike | None, items: int) -> NDArray[np.float64]:
    weights = np.ones(items) if values is None else np.asarray(values, dtype=np.float64)
    if weights.shape != (items,):
        raise ValueError(f"weights must have shape ({items},), got {weights.shape}")
    if not ((weights >= 0).all() and 0 < weights.sum() < np.inf):
        raise ValueError("weights must be at least zero, with a finite sum above it")
    return weights
