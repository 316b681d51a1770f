"""From calibrated probabilities to decisions with a guarantee: when to abstain, what to shortlist.

The guarantees hold for items exchangeable with the labelled ones that the threshold was found on,
whatever the model: those must be neither what the calibrator was fitted on nor chosen by eye.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities, require_items
from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.metrics.binomial import upper_bound

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AbstentionThreshold:
    """Answer where the confidence is at least ``min_confidence``, and abstain elsewhere.

    Attributes
    ----------
    min_confidence
        Above 1, so that nothing is answered, where no threshold meets the target.
    coverage, risk
        Share of the items that it answers, and of wrong answers among these.
    risk_bound
        What the risk of new items is at most, with probability 1 − δ; 1 where nothing is answered.
    """

    min_confidence: float
    coverage: float
    risk: float
    risk_bound: float


# Answers nothing: no confidence reaches it.
NEVER = 1.0 + 2.0**-20

# Shares of items whose risk is tested, from all down to a tenth. Each costs the others certainty.
_COVERAGES = 10


def abstention_threshold(
    probs: ArrayLike, labels: ArrayLike, target_risk: float, delta: float = 0.05
) -> AbstentionThreshold:
    """The least confidence from which on the risk is at most ``target_risk``.

    With probability at least 1 − ``delta`` over the items, the answers given to new ones are wrong
    no more often than the target: selection with guaranteed risk (Geifman and El-Yaniv 2017, arXiv
    1705.08500). Ten coverages, 10 % to 100 %, are tested by the exact binomial bound of their risk
    (Clopper and Pearson 1934) at δ / 10 each; the largest that passes is taken. The items
    above the confidence of a given rank are a sample of all that are more confident, so that each
    bound is exact although its threshold was read off the data.

    Raises
    ------
    ValueError
        If probabilities or labels are malformed, or ``target_risk`` or ``delta`` is not in (0, 1).
    """
    array, right = _check(probs, labels)
    for name, value in (("target_risk", target_risk), ("delta", delta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie in (0, 1), got {value}")
    confidence = np.minimum(array.max(axis=1), 1.0)
    wrong = choice(array) != right
    n = len(array)
    ranked = np.sort(confidence)[::-1]
    for part in range(_COVERAGES, 0, -1):
        count = n * part // _COVERAGES
        # Answered is what lies strictly above the first item that is not.
        least = float(np.nextafter(ranked[count], 2.0)) if count < n else 0.0
        answered = confidence >= least
        hits, trials = int(wrong[answered].sum()), int(answered.sum())
        if trials == 0:
            continue
        bound = upper_bound(hits, trials, delta / _COVERAGES)
        if bound <= target_risk:
            return AbstentionThreshold(least, trials / n, hits / trials, bound)
    return AbstentionThreshold(NEVER, 0.0, 0.0, 1.0)


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

    Raises
    ------
    ValueError
        If probabilities or labels are malformed, or ``alpha`` is not in (0, 1).
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

    Raises
    ------
    ValueError
        If ``probs`` are malformed, or ``threshold`` is NaN.
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
