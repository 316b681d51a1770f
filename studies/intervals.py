"""An interval of what was found on several units: they are drawn anew, with all that is theirs."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000


def over_units(values: Sequence[float], seed: int = 0) -> dict[str, float]:
    """The mean of a value a unit, and its 95 % interval."""
    array = np.array(values)
    rng = np.random.default_rng(seed)
    drawn = array[rng.integers(0, len(array), (_RESAMPLES, len(array)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": float(array.mean()), "low": float(low), "high": float(high), "n": len(array)}


def over_groups(
    groups: Sequence[NDArray[np.int64]],
    measure: Callable[[NDArray[np.int64]], float],
    seed: int = 0,
) -> dict[str, float]:
    """A measure of the rows of several groups, which are drawn anew, and its 95 % interval."""
    rng = np.random.default_rng(seed)
    drawn = [
        measure(np.concatenate([groups[group] for group in some]))
        for some in rng.integers(0, len(groups), (_RESAMPLES, len(groups)))
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    value = measure(np.concatenate(groups))
    return {"mean": value, "low": float(low), "high": float(high), "n": len(groups)}
