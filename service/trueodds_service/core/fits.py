"""The methods that find a calibrator's temperature, from labels, a teacher or neither."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.calibrators import Method, TemperatureScaling
from trueodds_service.core.checks import as_labels, as_logits, require_items
from trueodds_service.core.distributions import entropy, softmax
from trueodds_service.core.solver import DEFAULT_BOUNDS, Bound, TemperatureFit, fit_temperature

# The label-free constant that He et al. 2023 (section 5) compare against.
CONSTANT_TEMPERATURE = 2.5

# The paper's five held-out examples a task. Fewer are right or wrong throughout so often that
# the fit is a bound rather than a temperature.
MIN_LABELLED = 5

# One question is matched by a temperature of its own whatever the teacher says; from two on, T
# is a compromise and the divergence left after the fit tells how good a one.
MIN_TAUGHT = 2


class FitError(ValueError):
    """The data are well formed but too few for the method."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibrator's temperature with what a reader needs to judge it.

    Attributes
    ----------
    method, temperature
        What was fitted, and T > 0.
    n_items
        Items the temperature was fitted on; 0 for methods that look at none.
    at_bound, undetermined
        As in ``solver.TemperatureFit``: either one set means that T is not to be trusted.
    objective_before, objective_after
        In-sample, at T = 1 and at ``temperature``, in nats an item: the NLL for TEMPERATURE, the
        divergence KL(teacher ‖ calibrated) for TEACHER_KL, None for methods without data.
    """

    method: Method
    temperature: float
    n_items: int = 0
    at_bound: Bound = Bound.NONE
    undetermined: bool = False
    objective_before: float | None = None
    objective_after: float | None = None

    @property
    def calibrator(self) -> TemperatureScaling:
        """What applies this temperature."""
        return TemperatureScaling(self.temperature)


def fit_identity() -> Fit:
    """T = 1: the answer distribution as the model has it."""
    return Fit(Method.IDENTITY, 1.0)


def fit_constant(temperature: float = CONSTANT_TEMPERATURE) -> Fit:
    """A temperature given by the caller, finite and above zero (else ValueError)."""
    return Fit(Method.CONSTANT, TemperatureScaling(temperature).temperature)


def fit_temperature_scaling(
    logprobs: ArrayLike, labels: ArrayLike, bounds: tuple[float, float] = DEFAULT_BOUNDS
) -> Fit:
    """Minimise the NLL of the right options over T (Guo et al. 2017; He et al. 2023, Eq. 4).

    Parameters
    ----------
    logprobs
        Raw option logprobs, shape (n, k).
    labels
        Indices of the right options, shape (n,), integers in [0, k).
    bounds
        Lowest and highest T.

    Raises
    ------
    FitError
        If n < ``MIN_LABELLED``.
    ValueError
        If an argument is malformed.
    """
    array = _items(logprobs, "logprobs")
    n, k = array.shape
    right = as_labels(labels, n, k)
    if n < MIN_LABELLED:
        raise FitError(f"temperature needs at least {MIN_LABELLED} labelled items, got {n}")
    solution = fit_temperature(array, np.eye(k)[right], bounds)
    return _fit(Method.TEMPERATURE, n, solution, constant=0.0)


def fit_teacher_kl(
    logprobs: ArrayLike, teacher_logprobs: ArrayLike, bounds: tuple[float, float] = DEFAULT_BOUNDS
) -> Fit:
    """Minimise KL(p_teacher ‖ softmax(logprobs / T)) over T; needs no labels.

    He et al. 2023 (arXiv 2310.11732), Eq. 6. The result is as calibrated as the teacher is on
    this task: a pre-trained model with worked examples, in the paper.

    Parameters
    ----------
    logprobs, teacher_logprobs
        Raw option logprobs of the aligned model and of the teacher, shape (n, k), for the same
        questions and options in the same order.
    bounds
        Lowest and highest T.

    Raises
    ------
    FitError
        If n < ``MIN_TAUGHT``.
    ValueError
        If an argument is malformed.
    """
    array = _items(logprobs, "logprobs")
    teacher = _items(teacher_logprobs, "teacher_logprobs")
    if teacher.shape != array.shape:
        raise ValueError(f"teacher_logprobs must have shape {array.shape}, got {teacher.shape}")
    if len(array) < MIN_TAUGHT:
        raise FitError(f"teacher_kl needs at least {MIN_TAUGHT} items, got {len(array)}")
    target = softmax(teacher)
    solution = fit_temperature(array, target, bounds)
    return _fit(Method.TEACHER_KL, len(array), solution, constant=float(entropy(target).mean()))


def fit(
    method: Method,
    logprobs: ArrayLike | None = None,
    *,
    labels: ArrayLike | None = None,
    teacher_logprobs: ArrayLike | None = None,
    temperature: float = CONSTANT_TEMPERATURE,
) -> Fit:
    """Fit by any method; arguments that the method has no use for are ignored.

    Raises
    ------
    FitError
        If there are too few items for the method.
    ValueError
        If an argument that the method needs is missing or malformed.
    """
    match method:
        case Method.IDENTITY:
            return fit_identity()
        case Method.CONSTANT:
            return fit_constant(temperature)
        case Method.TEMPERATURE:
            if logprobs is None or labels is None:
                raise ValueError("temperature needs logprobs and labels")
            return fit_temperature_scaling(logprobs, labels)
        case Method.TEACHER_KL:
            if logprobs is None or teacher_logprobs is None:
                raise ValueError("teacher_kl needs logprobs and teacher_logprobs")
            return fit_teacher_kl(logprobs, teacher_logprobs)


def _items(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = as_logits(values, name)
    require_items(array, name)
    return array


def _fit(method: Method, n: int, solution: TemperatureFit, constant: float) -> Fit:
    """``constant`` is the part of the cross-entropy that the method's objective leaves out."""
    return Fit(
        method,
        solution.temperature,
        n,
        solution.at_bound,
        solution.undetermined,
        # Neither objective is negative but by the rounding of this difference.
        max(solution.cross_entropy_at_one - constant, 0.0),
        max(solution.cross_entropy - constant, 0.0),
    )
