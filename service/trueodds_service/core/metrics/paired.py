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


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    seed: int = 0,
    *,
    level: float = 0.95,
    resamples: int = 1000,
) -> Interval:
    """The percentile interval of the ratio of two sums over the same items, (n,) each.

    Draws as ``paired_intervals``; those without a denominator are left out. Raises ValueError where
    the shapes differ, or a denominator is below 0 or all are 0.
    """
    above, below = (np.asarray(each, dtype=np.float64) for each in (numerators, denominators))
    if above.ndim != 1 or above.shape != below.shape:
        raise ValueError(f"the shapes have to be (n,): they are {above.shape} and {below.shape}")
    if not (below >= 0).all() or not below.any():
        raise ValueError("denominators must be at least 0, and not all 0")
    drawn = [(times @ above, times @ below) for times in resampled(len(above), resamples, seed)]
    totals, of = (np.concatenate(each) for each in zip(*drawn, strict=True))
    return percentile_interval(totals[of > 0] / of[of > 0], level)


def _intervals(
    before: NDArray[np.float64], after: NDArray[np.float64], level: float
) -> PairedIntervals:
    return PairedIntervals(
        *(percentile_interval(each, level) for each in (before, after, after - before))
    )
