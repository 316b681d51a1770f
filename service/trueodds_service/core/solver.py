"""The one temperature that brings softmax(z / T) closest to a target, in cross-entropy.

In the inverse temperature β = 1/T the mean cross-entropy

    f(β) = mean_i [ logsumexp(β z_i) − β ⟨z_i, t_i⟩ ]

is convex, being a log-sum-exp less a linear term, so its slope

    f'(β) = mean_i ⟨z_i, softmax(β z_i) − t_i⟩

never decreases and bisection finds its zero: no learning rate, no starting point, no way to
diverge or to return a negative T. With one-hot targets f is the NLL of labels (Guo et al. 2017,
arXiv 1706.04599); with a teacher's distributions it is KL(teacher ‖ softmax(z/T)) plus the
teacher's entropy, a constant (He et al. 2023, arXiv 2310.11732, Eq. 6).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.checks import as_logits, as_probabilities, require_items
from trueodds_service.core.distributions import below_maximum

# The paper's temperatures lie between 1.25 and 3.62. A fit that leaves this much wider interval
# has met degenerate data: stopping there keeps T usable, and a flag says so.
DEFAULT_BOUNDS = (0.05, 20.0)

# Stands in for log 0 where a target has mass on an option without any: the smallest normal
# float32, the engine's arithmetic. Such a miss weighs heavily but cannot make f infinite.
LOG_FLOOR = math.log(float(np.finfo(np.float32).tiny))  # −87.3 nats

# Below this spread between options, in nats, the logits are equal up to float32 rounding, and no
# temperature within the default bounds moves a probability by more than 1e-5.
_FLAT = 1e-6

# Halvings of log T: the default interval, 6 wide, ends below float64's resolution. A count and not
# a tolerance, so that no bounds can keep the loop from ending.
_HALVINGS = 56


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
        Shape (n, k): distributions over the options.
    bounds
        Lowest and highest T, 0 < lowest < highest < ∞.
    weights
        Shape (n,), ≥ 0, of the items in the mean; None for equal ones.

    Raises
    ------
    ValueError
        If a shape, a value or the bounds are not as described.
    """
    objective = _Objective.of(logits, target, weights)
    lowest, highest = bounds
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"bounds must satisfy 0 < lowest < highest < inf, got {bounds}")

    def stop_at(temperature: float, bound: Bound, undetermined: bool = False) -> TemperatureFit:
        after = objective.value(1 / temperature)
        return TemperatureFit(temperature, bound, undetermined, objective.value(1.0), after)

    if objective.is_flat():
        return stop_at(1.0, Bound.NONE, undetermined=True)
    if objective.slope(1 / highest) >= 0:
        return stop_at(highest, Bound.UPPER)
    if objective.slope(1 / lowest) <= 0:
        return stop_at(lowest, Bound.LOWER)
    return stop_at(_bisect(objective, lowest, highest), Bound.NONE)


def _bisect(objective: "_Objective", lowest: float, highest: float) -> float:
    """The T at which the slope changes sign; on log T, for temperatures compare by ratio."""
    low, high = math.log(lowest), math.log(highest)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if objective.slope(math.exp(-middle)) > 0:  # β is too large, so T is too small
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


@dataclass(frozen=True, slots=True)
class _Objective:
    """f(β) and f'(β), on logits shifted so that every row's maximum is zero.

    The shift cancels in f, and makes every term of the slope's two inner products ≤ 0: where all
    answers are right, the slope cannot turn positive by rounding.
    """

    shifted: NDArray[np.float64]
    # The same with 0 for −inf, whose weight and target are zero: 0 · −inf would be NaN.
    finite: NDArray[np.float64]
    target: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, logits: ArrayLike, target: ArrayLike, weights: ArrayLike | None) -> "_Objective":
        array = as_logits(logits, "logits")
        require_items(array, "logits")
        wanted = as_probabilities(target, "target")
        if wanted.shape != array.shape:
            raise ValueError(f"target must have shape {array.shape}, got {wanted.shape}")
        shifted = below_maximum(array)
        without_mass = np.isneginf(shifted)
        finite = np.where(without_mass, 0.0, shifted)
        # Never above a finite logit of the row: a miss by no mass is no better than one by little.
        floor = np.minimum(finite.min(axis=-1, keepdims=True), LOG_FLOOR)
        impossible = without_mass & (wanted > 0)
        shifted, finite = (np.where(impossible, floor, z) for z in (shifted, finite))
        share = np.ones(len(array)) if weights is None else np.asarray(weights, dtype=np.float64)
        return cls(
            shifted, finite, wanted / wanted.sum(axis=-1, keepdims=True), share / share.sum()
        )

    def is_flat(self) -> bool:
        return bool(self.finite.min() >= -_FLAT)

    def weights(self, beta: float) -> NDArray[np.float64]:
        # A product too large for float64 is −inf, whose weight of zero is right.
        with np.errstate(over="ignore"):
            return np.exp(beta * self.shifted)

    def value(self, beta: float) -> float:
        log_totals = np.log(self.weights(beta).sum(axis=-1))
        return float(self.share @ (log_totals - beta * (self.finite * self.target).sum(axis=-1)))

    def slope(self, beta: float) -> float:
        weights = self.weights(beta)
        probs = weights / weights.sum(axis=-1, keepdims=True)
        return float(self.share @ (self.finite * (probs - self.target)).sum(axis=-1))
