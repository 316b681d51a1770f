"""What a fitted calibrator is worth on held-out questions, and intervals for what methods differ.

Methods are compared on the same draws of the questions that they are fitted on, so a difference is
taken draw by draw. Two intervals are told: over the draws, with the held-out questions as they
are; and over both, where the held-out questions are drawn anew, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.checks import as_labels
from trueodds_service.core.calibrators.base import Calibrator
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_RESAMPLES = 1_000


@dataclass(frozen=True)
class Scores:
    """How good one calibrator is on m questions.

    ``ece`` and ``nll`` are against the labels; ``odds_ece`` is the same ECE with the true
    probability of the choice in the place of right or wrong, which takes the labels' noise out.
    ``gaps`` and ``odds_gaps`` are confidence less right, and less the true probability, in a
    column for the bin that the question falls into, (m, bins): an ECE is the sum of the absolute
    column sums, over m.
    """

    ece: float
    nll: float
    odds_ece: float
    gaps: Floats
    odds_gaps: Floats


@dataclass(frozen=True)
class HeldOut:
    """Questions to measure on: the model's logprobs (m, k), labels (m,), true odds (m, k)."""

    logprobs: Floats
    labels: NDArray[np.int64]
    odds: Floats

    def score(self, calibrator: Calibrator) -> Scores:
        probs = calibrator.apply(self.logprobs)
        rows = np.arange(len(probs))
        labels = as_labels(self.labels, *probs.shape)
        chosen = probs.argmax(axis=1)
        confidence = np.minimum(probs[rows, chosen], 1.0)
        place = np.minimum((confidence * DEFAULT_BINS).astype(np.intp), DEFAULT_BINS - 1)
        inside = place[:, None] == np.arange(DEFAULT_BINS)
        gaps = inside * (confidence - (chosen == labels))[:, None]
        odds_gaps = inside * (confidence - self.odds[rows, chosen])[:, None]
        nll = float(-np.log(np.maximum(probs[rows, labels], 1e-38)).mean())
        return Scores(_error(gaps), nll, _error(odds_gaps), gaps, odds_gaps)


def _error(gaps: Floats) -> float:
    return float(np.abs(gaps.sum(axis=0)).sum() / len(gaps))


def resampled_errors(gaps: Sequence[Floats], counts: Floats) -> Floats:
    """ECEs, (resamples, draws), where question i is met ``counts[r, i]`` times in resample r.

    ``gaps`` are those of each draw's calibrator on the same m questions.
    """
    sums = (counts @ np.concatenate(gaps, axis=1)).reshape(len(counts), len(gaps), -1)
    errors: Floats = np.abs(sums).sum(axis=2) / counts.sum(axis=1, keepdims=True)
    return errors


def over_draws(differences: Floats, seed: int = 0) -> Interval:
    """95 % interval of the mean of one difference a draw, (draws,): a bootstrap of the draws."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(differences), (_RESAMPLES, len(differences)))
    return _percentiles(differences[picked].mean(axis=1))


def over_both(differences: Floats, seed: int = 0) -> Interval:
    """The same of differences, (resamples, draws), each row on held-out questions drawn anew."""
    rng = np.random.default_rng(seed)
    resamples, draws = differences.shape
    picked = rng.integers(0, draws, (resamples, draws))
    return _percentiles(np.take_along_axis(differences, picked, axis=1).mean(axis=1))


def _percentiles(values: Floats) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
