"""Scores of items → what a fitted calibrator's record holds, but for its provenance."""

import platform
from dataclasses import asdict, replace
from enum import StrEnum
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import answer_distribution, choice
from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting import auto, fit, pooling
from trueodds_service.core.fitting.bias import batch_prior, contextual_prior
from trueodds_service.core.fitting.confidence import correct_of
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.temperature import Bound
from trueodds_service.core.metrics.confidences import evaluate_confidences
from trueodds_service.core.metrics.evaluate import evaluate
from trueodds_service.errors import InvalidInput
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Candidate, Prior, Provenance, Scope, Selection

# What the items alone tell of a temperature, with a teacher: ln T and its standard error.
ESTIMATE = ("log_t", "log_t_error")
# The metric of how often it and the model choose different options, as a share of the items.
DISAGREEMENT = "disagreement"


def versions() -> dict[str, str]:
    """The versions of the software that fits, by name."""
    return {
        "trueodds": version("trueodds"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


class Bias(StrEnum):
    """What is taken off the scores before the method. The values are part of stored records."""

    NONE = ""
    BATCH = "batch"
    CONTEXTUAL = "contextual"


def fitted_record(
    scope: Scope,
    method: Method | None,
    data: FitData | None,
    bias: Bias,
    temperature: float,
    provenance: Provenance,
) -> Calibrator:
    """Fits and measures; blocks, for long where a method is to be chosen. ``data`` is None for
    methods that need none.

    Raises InvalidInput, whose field is relative to the source of the items.
    """
    try:
        log_prior = _log_prior(bias, data)
        fitted, selection = _fitted(method, data, log_prior, temperature, provenance.prior)
    except fit.FitError as error:
        raise InvalidInput("items", str(error), reason="TOO_FEW_ITEMS") from error
    parameters = fitted.calibrator.parameters
    pooled = fitted.method is Method.TEACHER_POOLED
    # A fallback may promise what the method does not.
    keeps = SPECS[fitted.method].keeps_choice or parameters.keys() == {"temperature"}
    # Of confidences alone there is no other option to be chosen.
    keeps = keeps or (data is not None and data.alone)
    return Calibrator(
        scope=scope,
        method=fitted.method.value,
        parameters=parameters,
        at_bound=fitted.at_bound is not Bound.NONE,
        undetermined=fitted.undetermined,
        provenance=provenance if pooled else replace(provenance, prior=None),
        metrics=_metrics(fitted, data, log_prior),
        fallback=fitted.fallback,
        selection=selection,
        keeps_choice=keeps and bias is Bias.NONE,
        bias_correction=bias.value,
    )


def _log_prior(bias: Bias, data: FitData | None) -> NDArray[np.float64] | None:
    if data is None:
        return None
    if bias is Bias.BATCH:
        return batch_prior(data.logprobs)
    if bias is Bias.CONTEXTUAL and data.content_free is not None:
        return contextual_prior(data.content_free)
    return None


def _fitted(
    method: Method | None,
    data: FitData | None,
    log_prior: NDArray[np.float64] | None,
    temperature: float,
    prior: Prior | None,
) -> tuple[fit.Fitted, Selection | None]:
    told = None
    if prior is not None:
        told = pooling.Prior(prior.mean, prior.standard_deviation, len(prior.calibrators))
    selection = None
    if method is None and data is not None:
        chosen = auto.choose(data if log_prior is None else data.without_bias(log_prior), told)
        method, selection = chosen.method, _selection(chosen)
    fitted = fit.fit(
        method or Method.IDENTITY, data, temperature=temperature, prior=told, log_prior=log_prior
    )
    return fitted, selection


def _selection(chosen: auto.Choice) -> Selection:
    compared = any(each.score is not None for each in chosen.candidates)
    criterion = f"nll, {auto.FOLDS}-fold, {auto.REPEATS} times"
    return Selection(
        criterion if compared else "what the data allow",
        chosen.reason,
        tuple(
            Candidate(each.method.value, each.score, each.standard_error, each.excluded)
            for each in chosen.candidates
        ),
    )


def _metrics(
    fitted: fit.Fitted, data: FitData | None, log_prior: NDArray[np.float64] | None
) -> dict[str, float]:
    """Measured on the items of the fit itself, so they flatter: a check, no promise."""
    metrics: dict[str, float] = {}
    if data is None:
        return metrics
    if data.teacher_logprobs is not None:
        differ = disagreeing(data.logprobs, data.teacher_logprobs)
        metrics[DISAGREEMENT] = differ / len(data.logprobs)
        metrics |= _taught(fitted, data if log_prior is None else data.without_bias(log_prior))
    if data.known.any():
        known = data.take(data.known)
        before = _measured(answer_distribution(known.logprobs), known)
        after = _measured(fitted.calibrator.apply(known.logprobs), known)
        metrics |= {"labelled": len(known.answers), "accuracy": before["accuracy"]}
        for name in ("confidence", "ece", "null_ece", "nll", "brier"):
            metrics[f"{name}_before"] = before[name]
            metrics[f"{name}_after"] = after[name]
    return metrics


def disagreeing(logprobs: NDArray[np.float64], teacher_logprobs: NDArray[np.float64]) -> int:
    """For how many items, (n, k) each, the likeliest option of the two is not the same."""
    return int((choice(logprobs) != choice(teacher_logprobs)).sum())


def _measured(probs: NDArray[np.float64], known: FitData) -> dict[str, float]:
    if known.alone:
        return evaluate_confidences(probs[:, 0], correct_of(known))
    return asdict(evaluate(probs, known.answers))


def _taught(fitted: fit.Fitted, data: FitData) -> dict[str, float]:
    """How far from the teacher, and what other tasks can learn from this one."""
    metrics: dict[str, float] = {}
    kl_before, kl_after = fitted.objective_before, fitted.objective_after
    if SPECS[fitted.method].needs_teacher and kl_before is not None and kl_after is not None:
        metrics |= {"kl_before": kl_before, "kl_after": kl_after}
    own = pooling.task_estimate(data)
    if own is not None:
        metrics |= dict(zip(ESTIMATE, (own.log_t, own.standard_error), strict=True))
    return metrics
