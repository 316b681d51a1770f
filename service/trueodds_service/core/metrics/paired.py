"""Two answer distributions of the same items, measured over the same draws of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_labels, as_probabilities, require_items
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.bootstrap import resampled
from trueodds_service.core.metrics.evaluate import Interval, percentile_interval
from trueodds_service.core.metrics.weighted import SortedAnswers, measures


@dataclass(frozen=True, slots=True)
class PairedIntervals:
    """Bootstrap intervals of a metric of both, and of the second's less the first's."""

    before: Interval
    after: Interval
    difference: Interval


def paired_intervals(
    before: ArrayLike,
    after: ArrayLike,
    labels: ArrayLike,
    bins: int = DEFAULT_BINS,
    seed: int = 0,
    *,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, PairedIntervals]:
    """Percentile intervals of every metric of ``measures``, by name.

    ``before`` and ``after`` are answer distributions, (n, k), of the same items, whose right
    options are ``labels``, (n,). Each resample draws n items with replacement, and is the same
    for both (Efron and Tibshirani 1993): what the items have in common cancels in the difference.
    The same arguments give the same intervals.

    Raises ValueError where the distributions or the labels are malformed.
    """
    first, second = (as_probabilities(each, "probs") for each in (before, after))
    require_items(first, "probs")
    if first.shape != second.shape:
        raise ValueError(f"before and after differ in shape: {first.shape}, {second.shape}")
    right = as_labels(labels, *first.shape)
    sides = (SortedAnswers.of(first, right), SortedAnswers.of(second, right))
    return paired_answers(*sides, bins, seed, level=level, resamples=resamples)


def paired_answers(
    before: SortedAnswers,
    after: SortedAnswers,
    bins: int = DEFAULT_BINS,
    seed: int = 0,
    *,
    level: float = 0.95,
    resamples: int = 1000,
) -> dict[str, PairedIntervals]:
    """``paired_intervals`` of the same items, twice."""
    sides = (before, after)
    drawn = [
        [measures(each, times[:, each.order], bins) for each in sides]
        for times in resampled(len(before.labels), resamples, seed)
    ]
    found = {}
    for name in drawn[0][0]:
        first_drawn, second_drawn = (
            np.concatenate([pair[side][name] for pair in drawn]) for side in (0, 1)
        )
        found[name] = _intervals(first_drawn, second_drawn, level)
    return found


def _intervals(
    before: NDArray[np.float64], after: NDArray[np.float64], level: float
) -> PairedIntervals:
    return PairedIntervals(
        *(percentile_interval(each, level) for each in (before, after, after - before))
    )
