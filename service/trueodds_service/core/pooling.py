"""A temperature from a teacher on few items, held by what other tasks of the model had."""

from dataclasses import dataclass

from trueodds_service.core.data import FitData


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of log T before the items of a task: a normal distribution."""

    mean: float
    deviation: float


def pooled_temperature(data: FitData, prior: Prior | None) -> float | None:
    """T of ``TEACHER_POOLED``; None where the method has nothing to go by."""
    del data, prior
    return None
