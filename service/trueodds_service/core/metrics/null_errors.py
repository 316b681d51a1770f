"""What the calibration errors would be if there were nothing to correct."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_probabilities, require_items
from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS, bin_of, edges_of
from trueodds_service.core.metrics.bin_sums import BinSums, equal_mass_starts
from trueodds_service.core.metrics.bootstrap import blocks
from trueodds_service.core.metrics.smooth_ece import smooth_ece

_Array = NDArray[np.float64]

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
    return drawn_errors(array, array.max(axis=1), choice(array), bins, draws, seed)


def drawn_errors(
    probs: _Array,
    confidence: _Array,
    chosen: NDArray[np.int64],
    bins: int,
    draws: int,
    seed: int,
) -> dict[str, float]:
    """``null_errors`` of outcomes with probabilities (n, k), of which ``chosen``, (n,), are the
    answers, with their confidences, (n,).

    Holds a few arrays of (n, k), and of (draws, n) as many as fit into memory.
    """
    generator, (n, k) = np.random.default_rng(seed), probs.shape
    upto = probs.cumsum(axis=1)
    order = confidence.argsort(kind="stable")
    # A row may sum to one and a little: its confidence is held to what a probability can be.
    confidence, chosen = np.minimum(confidence[order], 1.0), chosen[order]
    in_width = np.eye(bins)[bin_of(confidence, edges_of(confidence, bins, "equal_width"))]
    after = np.searchsorted(confidence, confidence, side="right")
    in_mass = np.repeat(np.eye(bins), np.diff(equal_mass_starts(after, bins, np.ones(n))), axis=0)
    classes = _Classes.of(probs[order], bins)
    total = dict.fromkeys(ERRORS, 0.0)
    for size in blocks(n * max(k // 8, 1), draws):  # of (draws, n, k) a byte each
        labels = _draws(upto, size, generator)[:, order]
        correct = (labels == chosen).astype(np.float64)
        width, mass = (_sums(each, confidence, correct) for each in (in_width, in_mass))
        found = {
            "ece_equal_mass": mass.ece,
            "ece_debiased": mass.debiased,
            "ece_smooth": smooth_ece(confidence, (confidence - correct) / n),
            "ece_classwise": classes.ece(labels),
            "mce": width.mce,
        }
        for name in ERRORS:
            total[name] += float(found[name].sum()) / draws
    return total


def _draws(upto: _Array, draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Outcomes, (draws, n), from sums of their probabilities up to each, (n, k)."""
    n, k = upto.shape
    below = generator.random((draws, n, 1)) >= upto
    # A row may sum to a little less than one: what is drawn beyond it is its last option.
    return np.asarray(np.minimum(below.sum(axis=2), k - 1))


def _sums(inside: _Array, confidence: _Array, correct: _Array) -> BinSums:
    """Of items that are ``inside`` bins, (n, bins), and right in some draws, (draws, n)."""
    hits = correct @ inside
    return BinSums(
        np.broadcast_to(inside.sum(axis=0), hits.shape),
        np.broadcast_to(confidence @ inside, hits.shape),
        hits,
    )


@dataclass(frozen=True, slots=True)
class _Classes:
    """The bin of each option's probability, (n, k), and the sum of those in it, (k, bins)."""

    place: NDArray[np.int64]
    claimed: _Array

    @classmethod
    def of(cls, probs: _Array, bins: int) -> "_Classes":
        held = np.minimum(probs, 1.0)
        place = bin_of(held, edges_of(held.ravel(), bins, "equal_width"))
        claimed = [
            np.bincount(place[:, option], held[:, option], bins) for option in range(held.shape[1])
        ]
        return cls(place, np.stack(claimed))

    def ece(self, labels: NDArray[np.int64]) -> _Array:
        """Class-wise, (draws,), where ``labels``, (draws, n), are right."""
        (draws, n), (k, bins) = labels.shape, self.claimed.shape
        cell = labels * bins + self.place[np.arange(n), labels]
        cell += np.arange(draws)[:, np.newaxis] * k * bins
        right = np.bincount(cell.ravel(), minlength=draws * k * bins).reshape(draws, k, bins)
        return np.asarray(np.abs(self.claimed - right).sum(axis=(1, 2)) / (n * k))
