"""A prior of log T that follows the number of options, which the service has not.

`studies/option_counts.py` measures it. A cell is a task asked with n options, of which

    log T = a + b · ln n + what is the task's + what is the cell's.

``a`` is unknown, b is normal around 0, and the two last are random effects. Together they are the
scatter that ``pooled_prior`` of the service finds; where no task is met twice, and all have as many
options, this prior is that one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.fitting.pooling import LEAST_SCATTER, MIN_TASKS, Prior, TaskEstimate

# A standard deviation of b. At two of them T is as n or as 1 / n, and a file of temperatures that
# goes about has 3.0 for two options and 1.5 for four.
SLOPE = 0.5

# How much of the scatter is the task's, and not the cell's: nothing is known, so a half.
TASK_SHARE = 0.5

_HALVINGS = 40

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """What has a temperature of its own: a task, asked with a number of options."""

    task: str
    options: int


AnyCell = TypeVar("AnyCell", bound=Cell)


@dataclass(frozen=True)
class _Known:
    """The estimates, and their covariances but for the factor that the scatter is."""

    values: Floats
    errors: Floats
    alike: Floats

    def generalised(self, scatter: float, toward: Floats) -> tuple[Prior, float]:
        """The best linear prediction of a cell, and the remainder of the estimates around it.

        ``toward`` is what share of the scatter each estimate has in common with the cell.
        """
        covariance = self.errors + scatter * self.alike
        ones = np.ones(len(self.values))
        shared = scatter * toward
        right = np.column_stack([ones, self.values, shared])
        by_one, by_value, by_shared = np.linalg.solve(covariance, right).T
        precision = ones @ by_one
        mean = (ones @ by_value) / precision
        rest = self.values - mean
        remainder = rest @ (by_value - mean * by_one)
        # What the deviations of the task's own cells tell, and the error of the mean.
        own = 1 - ones @ by_shared
        variance = scatter - shared @ by_shared + own**2 / precision
        found = Prior(float(mean + by_shared @ rest), math.sqrt(variance), len(self.values))
        return found, float(remainder)


def prior_by_options(
    estimates: Mapping[AnyCell, TaskEstimate],
    of: AnyCell,
    *,
    slope: float = SLOPE,
    task_share: float = TASK_SHARE,
) -> Prior | None:
    """What other cells of a model, some of the same task, say of a cell's log T.

    None from fewer than two. A ``slope`` of 0 has no use for the number of options, and a
    ``task_share`` of 0 none for the task; it lies below 1.
    """
    told = [(cell, estimate) for cell, estimate in estimates.items() if cell != of]
    if len(told) < MIN_TASKS:
        return None
    tasks = np.array([cell.task for cell, _ in told])
    # From the cell's own number of options, where the slope's error is then none.
    logs = np.array([math.log(cell.options / of.options) for cell, _ in told])
    errors = np.array([each.standard_error for _, each in told])
    same = (tasks[:, None] == tasks).astype(np.float64)
    known = _Known(
        np.array([each.log_t for _, each in told]),
        np.diag(errors**2) + slope**2 * np.outer(logs, logs),
        task_share * same + (1 - task_share) * np.eye(len(told)),
    )
    toward = task_share * (tasks == of.task)
    least = LEAST_SCATTER**2
    low, high = least, float(np.var(known.values, ddof=1)) / (1 - task_share) + least
    for _ in range(_HALVINGS):
        scatter = (low + high) / 2
        _, remainder = known.generalised(scatter, toward)
        low, high = (scatter, high) if remainder > len(told) - 1 else (low, scatter)
    prior, _ = known.generalised(low, toward)
    return prior
