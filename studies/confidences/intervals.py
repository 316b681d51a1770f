"""Intervals of what is found on several models: models are drawn anew, with all that is theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_RESAMPLES = 10_000


def over_models(values: Mapping[str, Sequence[float]], seed: int = 0) -> dict[str, Any]:
    """The mean over models of each one's mean, and its 95 % interval."""
    means = np.array([np.mean(each) for each in values.values()])
    rng = np.random.default_rng(seed)
    drawn = means[rng.integers(0, len(means), (_RESAMPLES, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"mean": float(means.mean()), "low": float(low), "high": float(high), "n": len(means)}
