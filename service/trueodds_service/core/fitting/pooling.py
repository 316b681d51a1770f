"""A temperature from a teacher on few items, steadied by the model's other tasks.

The temperatures of one model's tasks are alike, for one alignment has sharpened them all. Those of
other tasks therefore say where a task's own is to be expected, the more so the more alike they
turned out: an empirical Bayes estimate of log T in a model with random effects. Each task's
estimate is the minimiser of KL(teacher ‖ calibrated) (He et al. 2023, Eq. 6), whose sampling error
follows from the items' scatter alone. No labels are needed. studies/README.md measures its gain,
and its cost where tasks differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS, Bound, fit_temperature

# The scatter between tasks cannot be told from fewer.
MIN_TASKS = 2

# Tasks are taken to differ by at least this much, in log T, however alike a few of them look: 5 %
# of a temperature hardly matters, and a task with many items of its own is then left to them.
LEAST_SCATTER = 0.05

# No estimate is taken to be nearer than this; items that fit exactly would claim to be.
_LEAST_ERROR = 1e-3

# Relative precisions of the prior that its Student's t mixes, ∫ over their logarithm.
_PRECISIONS = np.geomspace(1e-5, 50, 256)

_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """What a task's own items say of log T: a value and the standard error of it, > 0."""

    log_t: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Prior:
    """What other tasks say of log T: Student's t around ``mean``, ``deviation`` wide.

    It has ``tasks`` − 1 degrees of freedom, as a deviation learned from that many tasks has. Its
    tails let a task be an outlier: what its own items clearly say is believed.
    """

    mean: float
    deviation: float
    tasks: int


def task_estimate(data: FitData) -> TaskEstimate | None:
    """log T of TEACHER_KL and its standard error; None without a temperature to speak of.

    That is: the fit stopped at a bound, no T near the one found changes anything, or there is one
    item only.
    The error is the sandwich estimate of an M-estimator (White 1982, Econometrica): an item's
    score is ⟨z, softmax(βz) − teacher⟩, the curvature the variance of z under softmax(βz).
    """
    target, item_weights = softmax(data.taught), data.item_weights
    fit = fit_temperature(data.logprobs, target, DEFAULT_BOUNDS, item_weights)
    total = item_weights.sum()
    if fit.undetermined or fit.at_bound is not Bound.NONE or total <= 1:
        return None
    z = (data.logprobs - data.logprobs.max(axis=1, keepdims=True)) / fit.temperature
    probs = softmax(z)
    z[np.isneginf(z)] = 0  # no option, of no probability: 0 · −inf would be NaN
    mean = (z * probs).sum(axis=1)
    scores = mean - (z * target).sum(axis=1)
    curvature = item_weights @ ((z - mean[:, None]) ** 2 * probs).sum(axis=1)
    if curvature == 0:  # every item is so sure that its confidence has rounded to one
        return None
    # n / (n − 1): the scores' mean has been fitted to be zero.
    error = math.sqrt(item_weights @ scores**2 * total / (total - 1)) / curvature
    return TaskEstimate(math.log(fit.temperature), max(float(error), _LEAST_ERROR))


def pooled_prior(estimates: Sequence[TaskEstimate]) -> Prior | None:
    """The prior from a model's other tasks; None from fewer than ``MIN_TASKS``.

    The scatter between tasks beyond their errors is that of Paule and Mandel 1982 (Journal of
    Research of the NBS), at least ``LEAST_SCATTER``. ``deviation`` adds the mean's own error.
    """
    if len(estimates) < MIN_TASKS:
        return None
    values = np.array([each.log_t for each in estimates])
    variances = np.array([each.standard_error for each in estimates]) ** 2
    low, high = LEAST_SCATTER**2, float(np.var(values, ddof=1)) + LEAST_SCATTER**2
    # What is left over, weighted, falls as the scatter grows, and is too little at ``high``.
    for _ in range(_HALVINGS):
        scatter = (low + high) / 2
        mean, weights = _mean(values, variances + scatter)
        if weights @ (values - mean) ** 2 > len(values) - 1:
            low = scatter
        else:
            high = scatter
    mean, weights = _mean(values, variances + low)
    return Prior(mean, math.sqrt(low + 1 / weights.sum()), len(values))


def pooled_temperature(data: FitData, prior: Prior | None) -> float | None:
    """T of ``TEACHER_POOLED``; None without a prior.

    Where the items alone give no temperature, it is the prior's mean.
    """
    return None if prior is None else drawn_temperature(task_estimate(data), prior)


def drawn_temperature(own: TaskEstimate | None, prior: Prior) -> float:
    """The same from what the items alone tell, None where that is nothing."""
    return math.exp(prior.mean if own is None else posterior_mean(own, prior))


def posterior_mean(own: TaskEstimate, prior: Prior) -> float:
    """The mean of log T: between own estimate and prior's mean, nearer to the more certain one."""
    return prior.mean + _trust(own, prior) * (own.log_t - prior.mean)


def _mean(
    values: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The mean weighted by precision, and the precisions."""
    weights: NDArray[np.float64] = 1 / variances
    return float(weights @ values / weights.sum()), weights


def _trust(own: TaskEstimate, prior: Prior) -> float:
    """The weight of a task's own estimate against the prior's mean, in (0, 1).

    Student's t is a mixture of normal distributions with precisions from a gamma distribution.
    Under each the weight is a ratio of variances; their mean under the posterior is the result.
    """
    freedom = prior.tasks - 1
    variances = prior.deviation**2 / _PRECISIONS
    total = variances + own.standard_error**2
    log_density = (
        freedom / 2 * (np.log(_PRECISIONS) - _PRECISIONS)
        - np.log(total) / 2
        - (own.log_t - prior.mean) ** 2 / (2 * total)
    )
    return float(softmax(log_density) @ (variances / total))
