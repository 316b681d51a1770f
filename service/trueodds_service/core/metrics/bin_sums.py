"""Sums of items in bins of confidence, for one set of weights or for many at a time.

Weights have shape (..., n), and every result the shape in front of n: (n,) gives one number,
(resamples, n) gives one a resample.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BinSums:
    """Sums over the items of each bin, (..., bins).

    ``count`` is their weight, ``confidence`` their weighted confidences, and ``correct`` the weight
    of the right answers.
    """

    count: _Array
    confidence: _Array
    correct: _Array

    @classmethod
    def of(
        cls,
        confidence: _Array,
        correct: _Array,
        index: NDArray[np.intp],
        bins: int,
        weights: _Array,
    ) -> "BinSums":
        """From the bin of each item, (n,)."""
        inside = (index[:, np.newaxis] == np.arange(bins)).astype(np.float64)
        return cls(
            weights @ inside,
            weights @ (inside * confidence[:, np.newaxis]),
            weights @ (inside * correct[:, np.newaxis]),
        )

    @classmethod
    def of_equal_mass(
        cls,
        confidence: _Array,
        correct: _Array,
        after: NDArray[np.intp],
        bins: int,
        weights: _Array,
    ) -> "BinSums":
        """From items in ascending order of confidence, and where those equal to each end, (n,).

        Each set of weights has bins of its own, as ``edges_of`` makes them; one that ties
        leave empty weighs 0.
        """
        starts = equal_mass_starts(after, bins, weights)

        def sums(values: _Array) -> _Array:
            zero = np.zeros((*values.shape[:-1], 1))
            total = np.concatenate([zero, np.cumsum(values, axis=-1)], axis=-1)
            return np.asarray(np.diff(np.take_along_axis(total, starts, axis=-1), axis=-1))

        return cls(sums(weights), sums(weights * confidence), sums(weights * correct))

    @property
    def surplus(self) -> _Array:
        """Confidence beyond accuracy, weighted: Σ (confidence − correct) of each bin."""
        return self.confidence - self.correct

    @property
    def total(self) -> _Array:
        """Weight of all items, (...)."""
        return np.asarray(self.count.sum(axis=-1))

    @property
    def ece(self) -> _Array:
        """Expected calibration error: Guo et al. 2017 (arXiv 1706.04599), Eq. 3."""
        return np.asarray(np.abs(self.surplus).sum(axis=-1) / self.total)

    @property
    def overconfidence(self) -> _Array:
        """The part of ``ece`` from bins that claim too much."""
        return np.asarray(np.maximum(self.surplus, 0).sum(axis=-1) / self.total)

    @property
    def underconfidence(self) -> _Array:
        """The part of ``ece`` from bins that claim too little."""
        return np.asarray(np.maximum(-self.surplus, 0).sum(axis=-1) / self.total)

    @property
    def mce(self) -> _Array:
        """The largest gap of a bin that holds anything: Guo et al. 2017, Eq. 5."""
        held = self.count > 0
        return np.asarray(np.abs(self.surplus / np.where(held, self.count, 1.0)).max(axis=-1))

    @property
    def debiased(self) -> _Array:
        """Root mean square gap without the part that chance alone makes: Kumar et al. 2019.

        From each squared gap goes acc (1 − acc) / (n_b − 1), the variance of its accuracy (Bröcker
        2012, Climate Dynamics; Kumar et al., arXiv 1909.10155, section 5). Bins of less than two
        items say nothing of it and count as 0, and so does a sum below 0.
        """
        enough = self.count > 1
        count = np.where(enough, self.count, 2.0)
        accuracy = self.correct / count
        squares = (self.surplus / count) ** 2 - accuracy * (1 - accuracy) / (count - 1)
        mean = (np.where(enough, self.count * squares, 0.0)).sum(axis=-1) / self.total
        return np.asarray(np.sqrt(np.maximum(mean, 0.0)))


def equal_mass_starts(after: NDArray[np.intp], bins: int, weights: _Array) -> NDArray[np.intp]:
    """Where each bin of equal mass begins among sorted items, and the last one ends, (..., bins +
    1). ``after`` is where those equal to each item end, (n,).
    """
    n = len(after)
    upto = np.cumsum(weights, axis=-1)
    starts = np.zeros((*weights.shape[:-1], bins + 1), dtype=np.intp)
    for place in range(1, bins):
        goal = upto[..., -1:] * place / bins
        last = (upto < goal).sum(axis=-1)
        starts[..., place] = after[np.minimum(last, n - 1)]
    starts[..., -1] = n
    return starts
