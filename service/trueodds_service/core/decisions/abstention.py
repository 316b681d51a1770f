"""When to abstain, so that what is answered is wrong no more often than was promised.

The guarantee holds for items exchangeable with the labelled ones that the threshold was found on,
whatever the model: those must be neither what the calibrator was fitted on nor chosen by eye.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import (
    as_correct,
    as_labels,
    as_probabilities,
    require_items,
)
from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.metrics.bin_edges import as_confidence
from trueodds_service.core.metrics.rate_intervals import upper_bound

_Array = NDArray[np.float64]

# A double has no more.
_DECIMALS = 17


@dataclass(frozen=True, slots=True)
class AbstentionThreshold:
    """Answer where the confidence is at least ``min_confidence``, and abstain elsewhere.

    ``min_confidence`` is above 1, so that nothing is answered, where no threshold meets the target.
    ``coverage`` is the share of the items that it answers, and ``risk`` the share of wrong answers
    among these, in [0, 1] each. ``risk_bound`` is what the risk of new items is at most, with
    probability 1 − δ; 1 where nothing is answered.
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

    Raises ValueError where probabilities or labels are malformed, or ``target_risk`` or ``delta``
    is not in (0, 1).
    """
    array, right = _check(probs, labels)
    confidence = np.minimum(array.max(axis=1), 1.0)
    return confidence_threshold(confidence, choice(array) == right, target_risk, delta)


def confidence_threshold(
    confidence: ArrayLike, correct: ArrayLike, target_risk: float, delta: float = 0.05
) -> AbstentionThreshold:
    """The same from confidences, (n,), and whether the answers are right."""
    conf = as_confidence(confidence)
    wrong = as_correct(correct, conf.size) == 0
    for name, value in (("target_risk", target_risk), ("delta", delta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie in (0, 1), got {value}")
    n = len(conf)
    ranked = np.sort(conf)[::-1]
    for part in range(_COVERAGES, 0, -1):
        count = n * part // _COVERAGES
        # Answered is what lies strictly above the first item that is not.
        below = float(ranked[count]) if count < n else -1.0
        answered = conf > below
        hits, trials = int(wrong[answered].sum()), int(answered.sum())
        # A bound is above what was seen, and takes a while to find.
        if trials == 0 or hits > target_risk * trials:
            continue
        bound = upper_bound(hits, trials, delta / _COVERAGES)
        if bound <= target_risk:
            least = _between(below, float(conf[answered].min())) if count < n else 0.0
            return AbstentionThreshold(least, trials / n, hits / trials, bound)
    return AbstentionThreshold(NEVER, 0.0, 0.0, 1.0)


def _between(below: float, most: float) -> float:
    """The number of fewest decimals in (below, most]: thresholds are copied by hand."""
    for decimals in range(1, _DECIMALS):
        shortest = math.floor(most * 10.0**decimals) / 10.0**decimals
        if below < shortest <= most:
            return shortest
    return float(np.nextafter(below, 2.0))


def _check(probs: ArrayLike, labels: ArrayLike) -> tuple[_Array, NDArray[np.int64]]:
    array = as_probabilities(probs, "probs")
    require_items(array, "probs")
    return array, as_labels(labels, *array.shape)
