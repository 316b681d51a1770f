"""The methods that the studies compare, each fitted by the service's own code."""

from collections.abc import Sequence

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import Fitted, fit
from trueodds_service.core.fitting.pooling import (
    MIN_TASKS,
    Prior,
    TaskEstimate,
    pooled_prior,
    task_estimate,
)
from trueodds_service.core.fitting.temperature import Bound

UNCALIBRATED = Method.IDENTITY
LABELLED = (Method.TEMPERATURE, Method.KDE)
LABEL_FREE = (Method.TEACHER_KL, Method.AGREEMENT_KL)


def temperature_of(fitted: Fitted) -> float | None:
    """T, for methods that have one."""
    values = fitted.calibrator.parameters.get("temperature")
    return None if values is None else values[0]


def is_degenerate(fitted: Fitted) -> bool:
    """Whether the data left the method itself without a result: a bound, a default, a fallback."""
    return fitted.at_bound is not Bound.NONE or fitted.undetermined or bool(fitted.fallback)


def priors(tasks: Sequence[FitData]) -> list[Prior | None]:
    """For each of a model's tasks, what all others say of its temperature."""
    if len(tasks) <= MIN_TASKS:
        return [None] * len(tasks)
    estimates = [task_estimate(data) for data in tasks]
    return [
        pooled_prior([each for other, each in enumerate(estimates) if each and other != place])
        for place in range(len(tasks))
    ]


def prior_of(tasks: Sequence[FitData]) -> Prior | None:
    """What tasks say of the temperature of another one."""
    estimates: list[TaskEstimate] = [each for each in map(task_estimate, tasks) if each]
    return pooled_prior(estimates)


def pooled(data: FitData, prior: Prior | None) -> Fitted:
    """TEACHER_POOLED."""
    return fit(Method.TEACHER_POOLED, data, prior=prior)
