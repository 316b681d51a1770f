"""Probabilities as another service tells them, rounded, as scores: their logarithms."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.checks import SUM_TOLERANCE

_Array = NDArray[np.float64]

MIN_STEP, MAX_STEP = 1e-12, 0.5
"""Between these a step has to be: rounded to more, a probability says next to nothing, and what is
rounded to less is not told apart in float64."""

# Of decimals that float64 cannot hold, half of 0.01 among them.
_ROUNDING = 1e-9
# The odds of a confidence below this are more than float64 holds.
_LEAST_CONFIDENCE = 1e-300


class ProbabilityError(ValueError):
    """Numbers that are not the probabilities that they are said to be; tells why."""


class ZeroProbabilityError(ProbabilityError):
    """A zero, or a confidence of one, and no step that says how small it may be."""


def log_probabilities(values: Sequence[float], step: float = 0.0) -> _Array:
    """ln of a question's rounded probabilities, (k,): zeros lifted by half a ``step``, sum one.

    Half a step is the most that was rounded away, so that the order stays: what is above zero is
    at least as large. Of many zeros each is lifted by its share of what all other options may have
    been rounded up by, if that is less: together they had no more. ``step`` is 0 where nobody knows
    what was rounded to, else from ``MIN_STEP`` and below ``MAX_STEP``.

    Raises
    ------
    ProbabilityError
        If an entry is outside [0, 1] or NaN, or too small for the step; if all are zero, or their
        sum is further from one than k roundings explain (``SUM_TOLERANCE`` without a step).
    ZeroProbabilityError
        If one is zero, and no step is told.
    """
    _check_rounded(values, step)
    total = sum(values)
    if not total:
        raise ProbabilityError("gives no option any probability")
    allowed = max(len(values) * step / 2, SUM_TOLERANCE)
    if abs(total - 1) > allowed + _ROUNDING:
        raise ProbabilityError(f"sums to {total:g}, and rounding explains {allowed:.3g} off 1")
    zeros = sum(value == 0 for value in values)
    rounded_up = max(1 - total, 0) + (len(values) - zeros) * step / 2
    lift = min(step / 2, rounded_up / zeros) if zeros else 0.0
    lifted = [value or lift for value in values]
    log_total = math.log(sum(lifted))
    return np.array([math.log(value) - log_total for value in lifted])


def log_confidence(confidence: float, step: float = 0.0) -> _Array:
    """ln of a rounded confidence and of what it lacks, (2,): 0 and 1 lifted by half a ``step``.

    Raises
    ------
    ProbabilityError
        As ``log_probabilities``, but for sums.
    """
    _check_rounded((confidence, 1 - confidence), step)
    if 0 < confidence < _LEAST_CONFIDENCE:
        raise ProbabilityError(f"is below {_LEAST_CONFIDENCE:g}, and no zero")
    lifted = min(max(confidence, step / 2), 1 - step / 2)
    return np.array([math.log(lifted), math.log1p(-lifted)])


# One number at a time: of a question's few options an array takes longer to make than to check.
def _check_rounded(values: Sequence[float], step: float) -> None:
    if not all(0 <= value <= 1 for value in values):  # written so that NaN fails as well
        raise ProbabilityError("holds NaN or a number outside [0, 1]")
    if not step and 0 in values:
        raise ZeroProbabilityError(
            "holds a certainty, 0 or 1: say in probability_step what it was rounded to (0.01 for "
            "two decimals), and it is lifted by half of that; or leave the item out"
        )
    if any(0 < value < step / 2 - _ROUNDING for value in values):
        raise ProbabilityError(
            f"is told more finely than in steps of {step:g}, probability_step: say the real one"
        )
