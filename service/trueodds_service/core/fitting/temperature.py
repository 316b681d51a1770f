"""The one temperature that brings softmax(z / T) closest to a target, in cross-entropy.

In the inverse temperature β = 1/T the mean cross-entropy (``Objective``) is convex, being a
log-sum-exp minus a linear term, so its gradient

    f'(β) = mean_i ⟨z_i, softmax(β z_i) − t_i⟩

never decreases, and its zero is found by steps in log β within a bracket that is halved where a
step leaves it or is slow: no learning rate, no way to diverge or to return a negative T. Steps are
Householder's of third order (1970, The Numerical Treatment of a Single Nonlinear Equation), so near
the minimum that one look at many items, from where a sample of them has its own, is enough.
With one-hot targets f is the NLL of labels (Guo et al. 2017, arXiv 1706.04599); with a teacher's
distributions it is KL(teacher ‖ softmax(z/T)) plus the teacher's entropy, a constant (He et al.
2023, arXiv 2310.11732, Eq. 6).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from trueodds_service.core.fitting.cross_entropy import CHUNK, Objective

# Wider than any temperature that data determine: the paper's lie between 1.25 and 3.62, a model
# whose answers are little better than chance wants 20 and more, and scores per byte, a tenth of
# summed ones, want less than 0.1. A fit that gets here has data whose likelihood has no maximum,
# every answer right or none better than chance: stopping keeps T usable, and a flag says so.
DEFAULT_BOUNDS = (1e-3, 1e3)

# A step in log β whose error is less is the last one; and the last one on a sample.
_ERROR, _START_ERROR = 1e-8, 1e-4

# Each pair of steps at least halves the bracket, which no bounds in float64 can outlast.
_MOST_STEPS = 140


class Bound(StrEnum):
    """The end of the allowed interval of temperatures at which a fit has stopped, if any."""

    NONE = "none"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """A temperature, T > 0, and how it came about.

    ``at_bound`` is the bound that T was held at. LOWER: the data ask for ever more confidence
    (every answer right). UPPER: for ever less (answers no better than chance). ``undetermined``: no
    item prefers any option, so that every T fits equally well; T is then 1, which leaves the answer
    distribution as it is. ``cross_entropy_at_one`` and ``cross_entropy`` are f at T = 1 and at
    ``temperature``, in nats.
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
    """The T that minimises the mean cross-entropy of softmax(logits / T) against ``target``.

    ``logits``, shape (n, k), n ≥ 1, are raw logits or logprobs, each row up to a constant. An
    option at −inf takes no part in its row (so rows may be padded with it) unless the target has
    mass there: then it counts as ``LOG_FLOOR`` below the row's maximum, or as the row's lowest
    finite logit if that is further below. ``target`` are distributions over the options, shape
    (n, k), or indices of one option each, shape (n,). ``bounds`` are the lowest and the highest T,
    0 < lowest < highest < ∞. ``weights``, shape (n,), ≥ 0, are those of the items in the mean; None
    for equal ones.

    Raises ValueError where a shape, a value or the bounds are not as described.
    """
    lowest, highest = bounds
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"bounds must satisfy 0 < lowest < highest < inf, got {bounds}")
    objective = Objective.of(logits, target, weights)
    if objective.is_flat():
        before = objective.at(1.0).at_one
        return TemperatureFit(1.0, Bound.NONE, True, before, before)
    return _minimum(objective, lowest, highest, _ERROR)


def _minimum(
    objective: Objective, lowest: float, highest: float, tolerance: float
) -> TemperatureFit:
    start = 0.0
    if len(objective.share) > CHUNK:
        sampled = _minimum(objective.sample(), lowest, highest, _START_ERROR)
        start = -math.log(sampled.temperature)
    low, high = first, last = -math.log(highest), -math.log(lowest)
    x, moved = min(max(start, first), last), math.inf
    unseen = {first, last} - {x}
    for _ in range(_MOST_STEPS):
        here = objective.at(math.exp(x))
        if x == first and here.gradient >= 0:
            return TemperatureFit(highest, Bound.UPPER, False, here.at_one, here.value)
        if x == last and here.gradient <= 0:
            return TemperatureFit(lowest, Bound.LOWER, False, here.at_one, here.value)
        low, high = (low, x) if here.gradient > 0 else (x, high)
        step, error = here.step()
        goal = min(max(x + step, low), high)
        if goal in unseen:
            unseen.remove(goal)
        elif error <= tolerance:
            after = here.minimum(goal - x)
            return TemperatureFit(math.exp(-goal), Bound.NONE, False, here.at_one, after)
        elif not (low < goal < high and abs(step) < moved / 2):
            goal = (low + high) / 2
        x, moved = goal, abs(goal - x)
    return TemperatureFit(math.exp(-x), Bound.NONE, False, here.at_one, here.value)
