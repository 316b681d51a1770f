"""Every method behind one function: ``fit(method, data)``."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from trueodds_service.core.arrays.distributions import (
    below_maximum,
    choice,
    entropy,
    log_softmax,
    softmax,
)
from trueodds_service.core.calibrators.base import Calibrator
from trueodds_service.core.calibrators.confidence import of_confidences_alone
from trueodds_service.core.calibrators.debiased import Debiased
from trueodds_service.core.calibrators.linear import MAX_MATRIX_OPTIONS
from trueodds_service.core.calibrators.methods import MIN_TAUGHT, SPECS, Method
from trueodds_service.core.calibrators.temperature import TemperatureScaling
from trueodds_service.core.fitting.confidence import (
    correct_of,
    fit_beta,
    fit_isotonic,
    fit_kde,
    fit_scaling_binning,
)
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.linear import fit_matrix, fit_vector
from trueodds_service.core.fitting.pooling import Prior, drawn_temperature, task_estimate
from trueodds_service.core.fitting.temperature import (
    DEFAULT_BOUNDS,
    Bound,
    TemperatureFit,
    fit_temperature,
)
from trueodds_service.core.metrics.evaluate import mean_nll

# The label-free constant that He et al. 2023 (section 5) compare against.
CONSTANT_TEMPERATURE = 2.5

_PRIOR_ALONE = "the prior's mean: the items alone give no temperature"


class FitError(ValueError):
    """The data are well formed but too few for the method."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibrator with what a reader needs to judge it.

    ``method`` is what was asked for; ``fallback`` is empty, or what was done instead, and why.
    ``n_items`` were used; 0 for methods that look at none. ``at_bound`` and ``undetermined`` are as
    in ``TemperatureFit``: either one set means that T is not to be trusted.
    ``objective_before`` and ``objective_after`` are in-sample, without and with the calibrator, in
    nats an item: the NLL for methods that need labels, the divergence KL(teacher ‖ calibrated) for
    those that need a teacher, None for methods without data.
    """

    method: Method
    calibrator: Calibrator
    n_items: int = 0
    at_bound: Bound = Bound.NONE
    undetermined: bool = False
    fallback: str = ""
    objective_before: float | None = None
    objective_after: float | None = None


def fit(
    method: Method,
    data: FitData | None = None,
    *,
    temperature: float = CONSTANT_TEMPERATURE,
    prior: Prior | None = None,
    log_prior: ArrayLike | None = None,
) -> Fitted:
    """Fits by any method; what the method has no use for is ignored.

    Methods that need labels use the items that have one, others use all. ``data`` is None only for
    methods that need none. ``temperature``, finite and above zero, is that of CONSTANT, and
    ``prior`` that of TEACHER_POOLED. ``log_prior``, (k,), is a bias of each option (``bias.py``):
    it is subtracted from the scores before the method sees them, and by the calibrator too.

    Raises FitError where there are too few items for the method, and ValueError where an argument
    that the method needs is missing or malformed.
    """
    if log_prior is not None:
        bias = tuple(float(value) for value in np.asarray(log_prior))
        without = None if data is None else data.without_bias(bias)
        fitted = fit(method, without, temperature=temperature, prior=prior)
        return replace(fitted, calibrator=Debiased(bias, fitted.calibrator))
    match method:
        case Method.IDENTITY:
            return Fitted(method, TemperatureScaling(1.0))
        case Method.CONSTANT:
            return Fitted(method, TemperatureScaling(temperature))
        case Method.TEACHER_POOLED:
            return _teacher_pooled(method, _usable(method, data), prior)
        case _:
            return _by_labels_or_teacher(method, _usable(method, data))


def _by_labels_or_teacher(method: Method, data: FitData) -> Fitted:
    own, count = SPECS[method].own_items, len(data.logprobs)
    if count < own:
        reason = f"temperature: {count} labelled items, and {method} needs {own} of its own"
        return replace(_temperature(method, data), fallback=reason)
    return _FITS[method](method, data)


def _usable(method: Method, data: FitData | None) -> FitData:
    """The items that the method can learn from."""
    spec = SPECS[method]
    if data is None:
        raise ValueError(f"{method} needs logprobs")
    if spec.needs_teacher and data.teacher_logprobs is None:
        raise ValueError(f"{method} needs teacher_logprobs")
    count = np.count_nonzero(data.known) if spec.needs_labels else len(data.logprobs)
    if count < spec.min_items:
        kind = "labelled items" if spec.needs_labels else "items"
        raise FitError(f"{method} needs at least {spec.min_items} {kind}, got {count}")
    return data.take(data.known) if count < len(data.logprobs) else data


def _temperature(method: Method, data: FitData) -> Fitted:
    """Minimise the NLL of the right options over T (Guo et al. 2017; He et al. 2023, Eq. 4)."""
    solution = fit_temperature(data.logprobs, data.answers, DEFAULT_BOUNDS, data.weights)
    return _fitted(method, len(data.logprobs), solution, constant=0.0)


def _teacher_kl(method: Method, data: FitData) -> Fitted:
    """Minimise KL(p_teacher ‖ softmax(logprobs / T)) over T; needs no labels.

    He et al. 2023 (arXiv 2310.11732), Eq. 6. The result is as calibrated as the teacher is on
    this task: a pre-trained model with worked examples, in the paper.
    """
    target = softmax(data.taught)
    solution = fit_temperature(data.logprobs, target, DEFAULT_BOUNDS, data.weights)
    constant = float(np.average(entropy(target), weights=data.weights))
    return _fitted(method, len(target), solution, constant)


def _agreement_kl(method: Method, data: FitData) -> Fitted:
    """The same on the items where teacher and model choose the same option (DACA)."""
    agreed = (choice(data.logprobs) == choice(data.taught)) & (data.item_weights > 0)
    if agreed.sum() < MIN_TAUGHT:
        reason = f"teacher_kl on all items: model and teacher agree on {agreed.sum()} only"
        return replace(_teacher_kl(method, data), fallback=reason)
    return _teacher_kl(method, data.take(agreed))


def _teacher_pooled(method: Method, data: FitData, prior: Prior | None) -> Fitted:
    fitted = _teacher_kl(method, data)
    if prior is None:
        return replace(fitted, fallback="teacher_kl: nothing to pool with")
    own = task_estimate(data)
    temperature = drawn_temperature(own, prior)
    return replace(
        fitted,
        calibrator=TemperatureScaling(temperature),
        # Of a temperature that is not this one, and is told in words.
        at_bound=Bound.NONE,
        undetermined=False,
        fallback=_PRIOR_ALONE if own is None else "",
        objective_after=_divergence(data, temperature),
    )


def _divergence(data: FitData, temperature: float) -> float:
    """Mean KL(p_teacher ‖ softmax(logprobs / T)), in nats, ≥ 0."""
    target = softmax(data.taught)
    log_probs = log_softmax(below_maximum(data.logprobs) / temperature)
    # Finite, so that 0 · ln 0 is 0.
    missed = -(target * np.maximum(log_probs, np.finfo(np.float64).min)).sum(axis=1)
    return max(float(np.average(missed - entropy(target), weights=data.weights)), 0.0)


def _fitted(method: Method, n: int, solution: TemperatureFit, constant: float) -> Fitted:
    """``constant`` is the part of the cross-entropy that the method's objective leaves out."""
    return Fitted(
        method,
        TemperatureScaling(solution.temperature),
        n,
        solution.at_bound,
        solution.undetermined,
        # Neither objective is negative but by the rounding of this difference.
        objective_before=max(solution.cross_entropy_at_one - constant, 0.0),
        objective_after=max(solution.cross_entropy - constant, 0.0),
    )


def _vector(method: Method, data: FitData) -> Fitted:
    """A weight and a bias for each option, held near temperature scaling."""
    base = _temperature(method, data)
    return _measured(base, fit_vector(data, _t(base)), data)


def _matrix(method: Method, data: FitData) -> Fitted:
    """Dirichlet calibration, held near temperature scaling."""
    base, options = _temperature(method, data), data.logprobs.shape[1]
    if options > MAX_MATRIX_OPTIONS:
        reason = f"vector: {options} options, and a matrix is for {MAX_MATRIX_OPTIONS} at most"
        return replace(_vector(method, data), fallback=reason)
    return _measured(base, fit_matrix(data, _t(base)), data)


def _isotonic(method: Method, data: FitData) -> Fitted:
    return _measured(_free_of_temperature(method, data), fit_isotonic(data), data)


def _kde(method: Method, data: FitData) -> Fitted:
    calibrator = fit_kde(data)
    if calibrator is None:
        one = "right" if correct_of(data).any() else "wrong"
        reason = f"temperature: every answer is {one}, which leaves one of two densities empty"
        return replace(_temperature(method, data), fallback=reason)
    return _measured(_free_of_temperature(method, data), calibrator, data)


def _beta(method: Method, data: FitData) -> Fitted:
    return _measured(_free_of_temperature(method, data), fit_beta(data), data)


def _scaling_binning(method: Method, data: FitData) -> Fitted:
    base = _temperature(method, data)
    return _measured(base, fit_scaling_binning(data, _t(base)), data)


def _t(fitted: Fitted) -> float:
    return fitted.calibrator.parameters["temperature"][0]


def _free_of_temperature(method: Method, data: FitData) -> Fitted:
    """A result whose calibrator is still to come, of a method that bounds its own numbers."""
    return Fitted(method, TemperatureScaling(1.0), len(data.logprobs))


def _measured(fitted: Fitted, calibrator: Calibrator, data: FitData) -> Fitted:
    """With the calibrator, and the NLL without and with it."""
    if data.alone:
        calibrator = of_confidences_alone(calibrator)
    before, after = (
        mean_nll(probs, data.answers, data.weights)
        for probs in (softmax(data.logprobs), calibrator.apply(data.logprobs))
    )
    return replace(fitted, calibrator=calibrator, objective_before=before, objective_after=after)


_FITS: dict[Method, Callable[[Method, FitData], Fitted]] = {
    Method.TEMPERATURE: _temperature,
    Method.KDE: _kde,
    Method.TEACHER_KL: _teacher_kl,
    Method.AGREEMENT_KL: _agreement_kl,
    Method.VECTOR: _vector,
    Method.MATRIX: _matrix,
    Method.ISOTONIC: _isotonic,
    Method.BETA: _beta,
    Method.SCALING_BINNING: _scaling_binning,
}
