"""The one temperature that brings softmax(z / T) closest to a target, in cross-entropy.

In the inverse temperature β = 1/T the mean cross-entropy

    f(β) = mean_i [ logsumexp(β z_i) − β ⟨z_i, t_i⟩ ]

is convex, being a log-sum-exp less a linear term, so its slope

    f'(β) = mean_i ⟨z_i, softmax(β z_i) − t_i⟩

never decreases, and its zero is found by Newton steps in log β within a bracket that is halved
where a step leaves it or is slow: no learning rate, no way to diverge or to return a negative T.
With one-hot targets f is the NLL of labels (Guo et al. 2017, arXiv 1706.04599); with a teacher's
distributions it is KL(teacher ‖ softmax(z/T)) plus the teacher's entropy, a constant (He et al.
2023, arXiv 2310.11732, Eq. 6).
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.checks import as_labels, as_logits, as_probabilities, require_items

# The paper's temperatures lie between 1.25 and 3.62. A fit that leaves this much wider interval
# has met degenerate data: stopping there keeps T usable, and a flag says so.
DEFAULT_BOUNDS = (0.05, 20.0)

# Stands in for log 0 where a target has mass on an option without any: the smallest normal
# float32, the engine's arithmetic. Such a miss weighs heavily but cannot make f infinite.
LOG_FLOOR = math.log(float(np.finfo(np.float32).tiny))  # −87.3 nats

# Below this spread between options, in nats, the logits are equal up to float32 rounding, and no
# temperature within the default bounds moves a probability by more than 1e-5.
_FLAT = 1e-6

# A Newton step in log β below this is the last one: its error is of the order of its square.
_STEP = 1e-5

# Each pair of steps at least halves the bracket, which no bounds in float64 can outlast.
_MOST_STEPS = 140

# Of more items than these every fourth says where to start on all: two steps are then enough.
_MANY = 2**15

# Items at a time, so that what is computed of them stays in the processor's cache.
_CHUNK = 8192


_T = TypeVar("_T")


class Bound(StrEnum):
    """The end of the allowed interval of temperatures at which a fit has stopped, if any."""

    NONE = "none"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """A temperature and how it came about.

    Attributes
    ----------
    temperature
        T > 0. If ``undetermined``, 1: the answer distribution is left as it is.
    at_bound
        Which bound T was held at. LOWER: the data ask for ever more confidence (every answer
        right). UPPER: for ever less (answers no better than chance).
    undetermined
        True if no item prefers any option, so that every T fits equally well.
    cross_entropy_at_one, cross_entropy
        f at T = 1 and at ``temperature``, in nats.
    """

    temperature: float
    at_bound: Bound
    undetermined: bool
    cross_entropy_at_one: float
    cross_entropy: float


def fit_temperature(
    logits: ArrayLike,
    target: ArrayLike,
    bounds: tuple[float, float] = DEFAULT_BOUNDS,
    weights: ArrayLike | None = None,
) -> TemperatureFit:
    """Minimise the mean cross-entropy of softmax(logits / T) against ``target`` over T.

    Parameters
    ----------
    logits
        Shape (n, k), n ≥ 1: raw logits or logprobs, each row up to a constant. An option at −inf
        takes no part in its row (so rows may be padded with it) unless the target has mass there:
        then it counts as ``LOG_FLOOR`` below the row's maximum, or as the row's lowest finite
        logit if that is further below.
    target
        Distributions over the options, shape (n, k), or indices of one option each, shape (n,).
    bounds
        Lowest and highest T, 0 < lowest < highest < ∞.
    weights
        Shape (n,), ≥ 0, of the items in the mean; None for equal ones.

    Raises
    ------
    ValueError
        If a shape, a value or the bounds are not as described.
    """
    lowest, highest = bounds
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"bounds must satisfy 0 < lowest < highest < inf, got {bounds}")
    objective = _Objective.of(logits, target, weights)
    before = objective.value(1.0)
    if objective.is_flat():
        return TemperatureFit(1.0, Bound.NONE, True, before, before)
    log_beta, bound, after = _minimum(objective, lowest, highest)
    held = {Bound.LOWER: lowest, Bound.UPPER: highest}
    temperature = held.get(bound, math.exp(-log_beta))
    return TemperatureFit(temperature, bound, False, before, after)


def _minimum(objective: "_Objective", lowest: float, highest: float) -> tuple[float, Bound, float]:
    """log β at the minimum between two temperatures, the bound that holds it there, and f."""
    start = 0.0
    if len(objective.share) > _MANY:
        start, _, _ = _minimum(objective.quarter(), lowest, highest)
    low, high = first, last = -math.log(highest), -math.log(lowest)
    x, moved = min(max(start, first), last), math.inf
    unseen = {first, last} - {x}
    here = objective.at(math.exp(x))
    for _ in range(_MOST_STEPS):
        if x == first and here.slope >= 0:
            return x, Bound.UPPER, here.value
        if x == last and here.slope <= 0:
            return x, Bound.LOWER, here.value
        low, high = (low, x) if here.slope > 0 else (x, high)
        bend = math.exp(x) * here.curvature
        step = math.inf if here.slope <= 0 else -math.inf
        if bend > 0:
            step = -here.slope / bend
        if abs(step) <= _STEP:
            # Of the parabola that the step leads to the bottom of.
            after = here.value - (here.slope**2 / here.curvature / 2 if bend > 0 else 0.0)
            return min(max(x + step, low), high), Bound.NONE, after
        goal = min(max(x + step, first), last)
        if goal in unseen:
            unseen.remove(goal)
        elif not (low < goal < high and abs(step) < moved / 2):
            goal = (low + high) / 2
        x, moved = goal, abs(goal - x)
        here = objective.at(math.exp(x))
    return x, Bound.NONE, here.value


@dataclass(frozen=True, slots=True)
class _Point:
    """f, f' and f'' at one β."""

    value: float
    slope: float
    curvature: float


@dataclass(frozen=True, slots=True)
class _Objective:
    """f on logits shifted so that every row's maximum is zero.

    The shift cancels in f, and makes both inner products of the slope ≤ 0, the second exactly 0
    where all answers are right: the slope cannot turn positive there by rounding.
    """

    # Both (k, n): operations along the options then run over whole rows of memory.
    shifted: NDArray[np.float64]
    # The same with 0 for −inf, whose weight and target are zero: 0 · −inf would be NaN.
    finite: NDArray[np.float64]
    # ⟨z_i, t_i⟩, (n,): all that f needs of the target.
    inner: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, logits: ArrayLike, target: ArrayLike, weights: ArrayLike | None) -> "_Objective":
        array = as_logits(logits, "logits")
        require_items(array, "logits")
        n, k = array.shape
        wanted = np.asarray(target)
        labels = as_labels(wanted, n, k) if wanted.ndim == 1 else None
        if labels is None:
            wanted = as_probabilities(wanted, "target")
            if wanted.shape != array.shape:
                raise ValueError(f"target must have shape {array.shape}, got {wanted.shape}")
            wanted = wanted.T / wanted.sum(axis=-1)
        shifted = _rows_below_maximum(array)
        finite = shifted
        if np.isneginf(shifted.min()):
            without_mass = np.isneginf(shifted)
            finite = np.where(without_mass, 0.0, shifted)
            missed = wanted > 0 if labels is None else np.arange(k)[:, np.newaxis] == labels
            # Never above a finite logit of the row: a miss by no mass is no better than one by
            # little.
            floor = np.minimum(finite.min(axis=0), LOG_FLOOR)
            shifted, finite = (np.where(without_mass & missed, floor, z) for z in (shifted, finite))
        inner = (finite * wanted).sum(axis=0) if labels is None else finite[labels, np.arange(n)]
        counts = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        share = counts / counts.sum()
        return cls(shifted, finite, inner, share)

    def quarter(self) -> "_Objective":
        """The same of every fourth item, up to a factor."""
        arrays = (self.shifted, self.finite, self.inner, self.share)
        return _Objective(*(np.ascontiguousarray(array[..., ::4]) for array in arrays))

    def is_flat(self) -> bool:
        # An item without weight may be as steep as it likes.
        return bool((self.finite.min(axis=0) * (self.share > 0)).min() >= -_FLAT)

    def value(self, beta: float) -> float:
        def of(part: slice) -> float:
            terms, inner = self._scaled(beta, part), self.inner[part]
            total = np.exp(terms, out=terms).sum(axis=0)
            return float(self.share[part] @ (np.log(total) - beta * inner))

        return math.fsum(_by_chunks(of, len(self.share)))

    def at(self, beta: float) -> _Point:
        def of(part: slice) -> tuple[float, float, float]:
            finite, inner, share = self.finite[:, part], self.inner[part], self.share[part]
            terms = self._scaled(beta, part)
            total = np.exp(terms, out=terms).sum(axis=0)
            mean = np.multiply(terms, finite, out=terms).sum(axis=0) / total
            square = np.multiply(terms, finite, out=terms).sum(axis=0) / total
            return (
                float(share @ (np.log(total) - beta * inner)),
                float(share @ (mean - inner)),
                float(share @ (square - mean * mean)),
            )

        sums = _by_chunks(of, len(self.share))
        return _Point(*(math.fsum(numbers) for numbers in zip(*sums, strict=True)))

    def _scaled(self, beta: float, part: slice) -> NDArray[np.float64]:
        # A product too large for float64 is −inf, whose weight of zero is right.
        with np.errstate(over="ignore"):
            return np.multiply(beta, self.shifted[:, part])


def _by_chunks(of: Callable[[slice], _T], items: int) -> list[_T]:
    """Results of all chunks, in their order; of many items on all processors."""
    parts = [slice(start, start + _CHUNK) for start in range(0, items, _CHUNK)]
    if items <= _MANY:
        return [of(part) for part in parts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(of, parts))


def _rows_below_maximum(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """``distributions.below_maximum``, (n, k) → (k, n), a chunk at a time."""
    rows = np.empty(array.shape[::-1])

    def of(part: slice) -> None:
        row = rows[:, part]
        row[...] = array[part].T
        with np.errstate(over="ignore"):
            row -= row.max(axis=0)

    _by_chunks(of, len(array))
    return rows
