"""Results of calibration: a difference within a tolerance, or a ratio that reaches a bound."""

import numpy as np
from numpy.typing import ArrayLike

from verification.comparison import Result

# What two ways to compute the same definition in float64 may differ by.
SAME = 1e-6


def agreement(
    name: str,
    reference: str,
    n: int,
    found: ArrayLike,
    expected: ArrayLike,
    *,
    tolerance: float = SAME,
    note: str = "",
) -> Result:
    """Numbers or arrays against a reference's; a ``note`` where the definition differs."""
    ours, theirs = np.ravel(found), np.ravel(expected)
    diffs = np.abs(ours - theirs)
    worst = int(diffs.argmax())
    diff = float(diffs[worst])
    return Result(name, reference, n, diff, float(theirs[worst]), None, diff <= tolerance, note)


def at_least(
    name: str, reference: str, n: int, ratio: float, least: float, note: str = ""
) -> Result:
    """A ratio that has to reach a bound."""
    # JSON takes none of numpy's numbers.
    ratio = float(ratio)
    return Result(name, reference, n, None, None, None, ratio >= least, note, ratio)
