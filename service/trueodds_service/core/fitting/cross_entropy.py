"""The cross-entropy f(β) of softmax(β z) against targets, and its derivatives.

    f(β) = mean_i [ logsumexp(β z_i) − β ⟨z_i, t_i⟩ ]

The derivatives are means over the items of the cumulants of z_i under softmax(β z_i), of the first
minus ⟨z_i, t_i⟩. ``fit_temperature`` looks for the minimum.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import (
    as_labels,
    as_logits,
    as_probabilities,
    require_items,
)
from trueodds_service.core.arrays.log_floor import LOG_FLOOR

# Below this spread between options, in nats, the logits are equal up to float32 rounding, and no
# temperature within the default bounds moves a probability by more than 3e-4.
_FLAT = 1e-6

# Items at a time: few enough for the processor's cache, and enough that threads, which take turns
# between numpy's operations, seldom wait for one another.
CHUNK = 2**15

# Where there is more than a chunk of items, one in sixteen says where to start on all.
_EVERY = 16

# In nats: exp of it is zero, and none of the powers taken of it overflows.
_NOTHING = -1000.0

# Labels, (n,), or distributions, (n, k).
_Target = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Point:
    """f at 1 and at β, and its derivatives at β times β, β², β³ and β⁴."""

    at_one: float
    value: float
    gradient: float
    second: float
    third: float
    fourth: float

    def step(self) -> tuple[float, float]:
        """The step in log β to where the gradient is zero, and about how far from it that ends.

        Householder's of third order near by, where its error is of the fourth; else Newton's.
        """
        if self.second <= 0:
            return math.inf if self.gradient <= 0 else -math.inf, math.inf
        newton = -self.gradient / self.second
        # The second and third derivative of f' as a function of log β, divided by the first.
        a = 1 + self.third / self.second
        b = a + (2 * self.third + self.fourth) / self.second
        scale = abs(newton) * max(1.0, abs(a), math.sqrt(abs(b)))
        if not scale < 1 / 2:  # too far for a series
            return newton, math.inf
        step = newton * (1 + a * newton / 2) / (1 + a * newton + b * newton * newton / 6)
        return step, abs(newton) * scale**3

    def minimum(self, step: float) -> float:
        """f a step in log β away, where its gradient is zero.

        The integral of the quartic that has the gradient, its derivatives here and its zero there.
        """
        t = math.expm1(step)
        left = self.gradient + t * (self.second + t * (self.third / 2 + t * self.fourth / 6))
        fall = self.gradient + t * (self.second / 2 + t * (self.third / 6 + t * self.fourth / 24))
        return self.value + t * (fall - left / 5)


@dataclass(frozen=True, slots=True)
class Objective:
    """f. Items in a single chunk are prepared once, others chunk by chunk at each look.

    For those that takes no longer than to fetch what was prepared from outside the cache.
    """

    logits: NDArray[np.float64]
    target: _Target
    # Above zero.
    share: NDArray[np.float64]
    prepared: "_Chunk | None"

    @classmethod
    def of(cls, logits: ArrayLike, target: ArrayLike, weights: ArrayLike | None) -> "Objective":
        array = as_logits(logits, "logits")
        require_items(array, "logits")
        n, k = array.shape
        wanted: _Target = np.asarray(target)
        if wanted.ndim == 1:
            wanted = as_labels(wanted, n, k)
        else:
            wanted = as_probabilities(wanted, "target")
            if wanted.shape != array.shape:
                raise ValueError(f"target must have shape {array.shape}, got {wanted.shape}")
        if weights is None:
            return cls._of(array, wanted, np.broadcast_to(1 / n, n))
        share = np.asarray(weights, dtype=np.float64) / np.sum(weights)
        some = share > 0
        return cls._of(array[some], wanted[some], share[some])

    @classmethod
    def _of(
        cls, logits: NDArray[np.float64], target: _Target, share: NDArray[np.float64]
    ) -> "Objective":
        few = len(share) <= CHUNK
        return cls(logits, target, share, _Chunk.of(logits, target, share) if few else None)

    def sample(self) -> "Objective":
        """The same of some of the items, up to a factor."""
        arrays = (self.logits, self.target, self.share)
        return self._of(*(array[::_EVERY].copy() for array in arrays))

    def is_flat(self) -> bool:
        return all(self._chunk(start).is_flat() for start in self._starts())

    def at(self, beta: float) -> Point:
        if self.prepared:
            return Point(*self.prepared.at(beta))

        def of(start: int) -> tuple[float, ...]:
            return self._chunk(start).at(beta)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            chunks = list(pool.map(of, self._starts()))
        return Point(*(math.fsum(numbers) for numbers in zip(*chunks, strict=True)))

    def _starts(self) -> range:
        return range(0, len(self.share), CHUNK)

    def _chunk(self, start: int) -> "_Chunk":
        part = slice(start, start + CHUNK)
        return self.prepared or _Chunk.of(self.logits[part], self.target[part], self.share[part])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Items whose logits are shifted so that the maximum of each is zero.

    The shift cancels in f, and makes both inner products of the gradient ≤ 0, the second exactly 0
    where all answers are right: the gradient cannot turn positive there by rounding.
    """

    # (k, m): operations along the options then run over whole rows of memory.
    shifted: NDArray[np.float64]
    # ⟨z_i, t_i⟩, (m,): all that f needs of the target.
    inner: NDArray[np.float64]
    share: NDArray[np.float64]
    # f at β = 1.
    at_one: float

    @classmethod
    def of(
        cls, logits: NDArray[np.float64], target: _Target, share: NDArray[np.float64]
    ) -> "_Chunk":
        shifted = logits.T.copy()
        with np.errstate(over="ignore"):
            shifted -= shifted.max(axis=0)
        inner = _inner(shifted, target)
        if np.isneginf(inner.min()):
            without_mass = np.isneginf(shifted)
            # Never above a finite logit of the row: a miss by no mass is no better than one by
            # little.
            floor = np.minimum(np.where(without_mass, 0.0, shifted).min(axis=0), LOG_FLOOR)
            options = np.arange(len(shifted))[:, np.newaxis]
            missed = options == target if target.ndim == 1 else target.T > 0
            shifted = np.where(without_mass & missed, floor, shifted)
            inner = _inner(shifted, target)
        at_one = _mean(share, np.log(np.exp(shifted).sum(axis=0)) - inner)
        return cls(shifted, inner, share, at_one)

    def is_flat(self) -> bool:
        return not ((self.shifted < -_FLAT) & (self.shifted > -np.inf)).any()

    def at(self, beta: float) -> tuple[float, ...]:
        """The items' part of a ``Point``."""
        with np.errstate(over="ignore"):
            terms, inner = beta * self.shifted, beta * self.inner
        np.maximum(terms, _NOTHING, out=terms)
        probs = np.exp(terms)
        total = probs.sum(axis=0)
        mean = np.einsum("km,km->m", probs, terms) / total
        # Central moments, and of them cumulants: weights times ever higher powers.
        terms -= mean
        probs /= total
        probs *= terms
        probs *= terms
        second = probs.sum(axis=0)
        probs *= terms
        third = probs.sum(axis=0)
        probs *= terms
        fourth = probs.sum(axis=0) - 3 * second * second
        of_items = (np.log(total) - inner, mean - inner, second, third, fourth)
        return (self.at_one, *(_mean(self.share, values) for values in of_items))


def _inner(shifted: NDArray[np.float64], target: _Target) -> NDArray[np.float64]:
    """⟨z_i, t_i⟩, (m,): −inf where the target has mass on an option without any."""
    if target.ndim == 1:
        items = np.arange(len(target))
        return np.asarray(shifted.ravel()[target * len(target) + items])
    finite = np.where(target.T > 0, shifted, 0.0)  # 0 · −inf would be NaN
    return np.asarray((finite * target.T).sum(axis=0) / target.sum(axis=1))


def _mean(share: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    # Not by BLAS, whose own threads would come in between.
    return float(np.einsum("m,m->", share, values))
