"""Intervals of what is found on several models."""

from collections.abc import Mapping, Sequence

import numpy as np

from studies.intervals import over_units


def over_models(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean over models of each one's mean, and its 95 % interval: models are drawn anew."""
    return over_units([float(np.mean(each)) for each in values.values()])
