"""What the calibration errors would be if there were nothing to correct."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_probabilities, require_items
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.bootstrap import blocks
from trueodds_service.core.metrics.weighted import SortedAnswers, measures

ERRORS = ("ece_equal_mass", "ece_debiased", "ece_smooth", "ece_classwise", "mce")
"""Metrics that are above zero by chance alone. That of ``ece`` is ``reliability.null_ece``."""

DRAWS = 100


def null_errors(
    probs: ArrayLike, bins: int = DEFAULT_BINS, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """Mean of each of ``ERRORS`` for a perfectly calibrated model with these distributions.

    Each draw makes option j of item i the right one with probability ``probs[i, j]`` (consistency
    resampling: Bröcker and Smith 2007, Weather and Forecasting). The same arguments give the same
    result; its standard error is about 3 % of it. ``probs`` are answer distributions, shape (n, k),
    n ≥ 1, and ``bins`` as for ``evaluate``.

    Raises ValueError where an argument is not as described.
    """
    array = as_probabilities(probs, "probs")
    require_items(array, "probs")
    n, k = array.shape
    # Every item once with each option as the right one; a draw gives one of them the weight.
    answers = SortedAnswers.of(np.repeat(array, k, axis=0), np.tile(np.arange(k), n))
    return drawn_errors(array, answers, bins, draws, seed)


def drawn_errors(
    array: NDArray[np.float64], answers: SortedAnswers, bins: int, draws: int, seed: int
) -> dict[str, float]:
    """``null_errors`` of outcomes with probabilities (n, k): ``answers`` has each item with each
    outcome, (n · k).
    """
    generator, (n, k) = np.random.default_rng(seed), array.shape
    total = dict.fromkeys(ERRORS, 0.0)
    for size in blocks(n * k, draws):
        drawn = _draws(array, size, generator)
        found = measures(answers, drawn[:, answers.order], bins)
        for name in ERRORS:
            total[name] += float(found[name].sum()) / draws
    return total


def _draws(
    probs: NDArray[np.float64], draws: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Right options as zeros and ones, (draws, n · k)."""
    n, k = probs.shape
    below = generator.random((draws, n, 1)) >= probs.cumsum(axis=1)
    # A row may sum to a little less than one: what is drawn beyond it is its last option.
    labels = np.minimum(below.sum(axis=2), k - 1)
    right = labels[..., np.newaxis] == np.arange(k)
    return np.asarray(right.reshape(draws, n * k), dtype=np.float64)
