"""AUTO: which method to fit, given what is known of the items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.calibrators.methods import MIN_TAUGHT, SPECS, Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import FitError, fit
from trueodds_service.core.fitting.pooling import Prior
from trueodds_service.core.metrics.weighted import losses

# From this many labels on they are asked which method is best. With fewer, the standard error of
# a comparison is as large as what the methods differ by.
MIN_COMPARED = 20

FOLDS = 5
REPEATS = 4

# From simple to rich: of methods that are as good, the first is taken.
_ORDER = (
    Method.IDENTITY,
    Method.TEACHER_POOLED,
    Method.TEACHER_KL,
    Method.AGREEMENT_KL,
    Method.TEMPERATURE,
    Method.BETA,
    Method.SCALING_BINNING,
    Method.VECTOR,
    Method.MATRIX,
    Method.ISOTONIC,
    Method.KDE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the choice knew of a method.

    ``score`` is the held-out NLL, in nats an item, and ``standard_error`` that of its difference
    from the best one's, 0 for that one; both are None where it was not compared. ``excluded`` is
    empty, or why it was not.
    """

    method: Method
    score: float | None = None
    standard_error: float | None = None
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The method to fit, why, and what it was compared with."""

    method: Method
    reason: str
    candidates: tuple[Candidate, ...]


def choose(data: FitData, prior: Prior | None = None, *, seed: int = 0) -> Choice:
    """The method for these items: by their labels where there are enough, else by a rule.

    With ``MIN_COMPARED`` labels or more, every method that the data allow is fitted on four fifths
    of the items and scored on the labelled ones of the last, for each fifth, four times over. Of
    those within one standard error of the best, in NLL, the simplest is chosen (Breiman et al.
    1984). A method that falls back to another on so few items is not compared, and where the items
    are of mixed numbers of options only those that end in one temperature are. Of confidences alone
    the maps of confidence are.

    With fewer labels: the teacher, pooled with other tasks where a prior is given; without one
    the labels' temperature where there are enough for that, of confidences alone BETA; else the
    identity. The same arguments give the same choice.
    """
    labelled = int(data.known.sum())
    if labelled < MIN_COMPARED:
        return _by_rule(data, prior, labelled)
    excluded = {method: _excluded(method, data, prior, labelled) for method in _ORDER}
    compared = [method for method in _ORDER if not excluded[method]]
    held_out = _held_out(compared, data, prior, seed)
    weights = data.item_weights[data.known]
    means = {method: float(np.average(held_out[method], weights=weights)) for method in compared}
    best = min(compared, key=means.__getitem__)
    errors = {m: _standard_error(held_out[m] - held_out[best], weights) for m in compared}
    chosen = next(m for m in compared if means[m] <= means[best] + errors[m])
    reason = f"least held-out NLL of {len(compared)} methods on {labelled} labelled items"
    if chosen is not best:
        reason = f"the simplest within one standard error of {best}, which has the {reason}"
    return Choice(
        chosen,
        reason,
        tuple(
            Candidate(method, excluded=excluded[method])
            if excluded[method]
            else Candidate(method, means[method], errors[method])
            for method in _ORDER
        ),
    )


def _by_rule(data: FitData, prior: Prior | None, labelled: int) -> Choice:
    taught = data.teacher_logprobs is not None and len(data.logprobs) >= MIN_TAUGHT
    if taught and prior is not None:
        method, reason = Method.TEACHER_POOLED, "a teacher, and other tasks to pool with"
    elif taught:
        method, reason = Method.TEACHER_KL, "a teacher"
    elif data.alone and labelled >= SPECS[Method.BETA].min_items:
        method, reason = Method.BETA, f"{labelled} confidences, from which it is hardly led astray"
    elif labelled >= SPECS[Method.TEMPERATURE].min_items and not data.alone:
        method, reason = Method.TEMPERATURE, f"{labelled} labelled items and no teacher"
    else:
        method, reason = Method.IDENTITY, "neither a teacher nor enough labels"
    why = f"{labelled} labelled items; a comparison needs {MIN_COMPARED}"
    return Choice(
        method, reason, tuple(Candidate(each, excluded=why) for each in _ORDER if each != method)
    )


def _excluded(method: Method, data: FitData, prior: Prior | None, labelled: int) -> str:
    """Why a method cannot be compared; empty where it can."""
    spec = SPECS[method]
    if data.alone and not spec.is_confidence_map:
        return "is no map of confidence"
    if data.options is not None and not spec.is_temperature:
        return "is for one number of options"
    if spec.needs_teacher and data.teacher_logprobs is None:
        return "needs a teacher"
    if method is Method.TEACHER_POOLED and prior is None:
        return "needs other tasks of the model"
    training = labelled - math.ceil(labelled / FOLDS)
    if spec.needs_labels and training < spec.own_items:
        return f"needs {spec.own_items} labelled items in each training set, which has {training}"
    return ""


def _held_out(
    methods: Sequence[Method], data: FitData, prior: Prior | None, seed: int
) -> dict[Method, NDArray[np.float64]]:
    """Each labelled item's loss, (labelled,), from fits that did not see it, over the repeats."""
    generator = np.random.default_rng(seed)
    known = np.flatnonzero(data.known)
    place = np.full(len(data.logprobs), -1)
    place[known] = np.arange(len(known))
    total = {method: np.zeros(len(known)) for method in methods}
    for _ in range(REPEATS):
        fold = np.full(len(data.logprobs), -1)
        fold[generator.permutation(known)] = np.arange(len(known)) % FOLDS
        for held in range(FOLDS):
            test = fold == held
            training = data.take(~test)
            for method in methods:
                probs = _apply(method, training, prior, data.logprobs[test])
                total[method][place[test]] += losses(probs, data.answers[test]) / REPEATS
    return total


def _apply(
    method: Method, training: FitData, prior: Prior | None, logprobs: NDArray[np.float64]
) -> NDArray[np.float64]:
    try:
        return fit(method, training, prior=prior).calibrator.apply(logprobs)
    except FitError:
        return softmax(logprobs)


def _standard_error(differences: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The standard error of the weighted mean of paired differences, (n,)."""
    mean = np.average(differences, weights=weights)
    total = weights.sum()
    variance = np.average((differences - mean) ** 2, weights=weights)
    return float(math.sqrt(variance / max(total - 1, 1.0)))
