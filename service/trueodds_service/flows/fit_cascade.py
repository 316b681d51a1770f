"""The path of a cascade's fit: labelled items → scores of all models but the last → thresholds."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.decisions.abstention import NEVER
from trueodds_service.core.decisions.cascade import (
    METHOD,
    Target,
    passed_on_threshold,
    risk_thresholds,
)
from trueodds_service.errors import InvalidInput, NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import distributions
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.cascade import Written
from trueodds_service.flows.cascade_promise import MIN_CONFIDENCE, CascadePromise
from trueodds_service.flows.catalog import Cascade, Catalog, ModelEntry
from trueodds_service.flows.fit import PATIENCE_SECONDS, versions_of
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    Said,
    ask,
    common_key,
    data_hash,
    prompts_hash,
)
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import FitRequest, Provenance, Scope


@dataclass(frozen=True, slots=True)
class FitCascade:
    """Questions, with their answers where the promise needs them. ``written`` makes them for the
    model that is asked, where they depend on it.

    The rest is as a ``FitQuery`` has it.
    """

    model: str
    task: str
    reading: Reading
    promise: CascadePromise
    source: FitQuestions
    activate: bool = False
    force: bool = False
    request: FitRequest | None = None
    validate_only: bool = False
    any_options: bool = False
    written: Written | None = None


async def fit_cascade(
    query: FitCascade, catalog: Catalog, calibrators: Calibrators
) -> AsyncIterator[Progress | Calibrator]:
    """Finds a cascade's thresholds, stores them, and activates them where asked, as ``fit`` does.

    All models but the last are asked. Each is measured with the calibrator that answers for it now,
    and the thresholds hold for these alone.
    """
    cascade = catalog.cascade(query.model)
    if cascade is None:
        name = catalog.find(query.model).name
        raise InvalidInput("method", f"CASCADE is for a cascade, and models/{name} is none")
    if query.promise.target is Target.PASSED_ON and len(cascade.others) > 1:
        raise InvalidInput(
            Target.PASSED_ON,
            f"is for a cascade of two models, and models/{cascade.name} has "
            f"{len(cascade.models)}: it does not say which of them answers what",
        )
    if query.request is not None:
        answered = await calibrators.answered(query.request)
        if answered is not None:
            yield answered
            return
    scope = _scope(query, cascade)
    if not query.validate_only:
        await calibrators.check_room()
    own = [_own_calibrator(model, scope, calibrators) for model in cascade.others]
    asked = [await _asked(query, model) for model in cascade.others]
    said: Sequence[Said] = ()
    async for event in ask(asked):
        if isinstance(event, Progress):
            yield event
        else:
            said = event
    calibrated = [
        calibrated_scores(each.scores, calibrator, calibrators)
        for each, calibrator in zip(said, own, strict=True)
    ]
    # A decision stands only where the options hold what its model asks for.
    least = [0.0 if query.written is None else model.min_option_mass for model in cascade.others]
    may_stand = [each.option_mass >= mass for each, mass in zip(said, least, strict=True)]
    answers = query.source.answers
    provenance = Provenance(
        items=len(answers),
        labelled=int((answers >= 0).sum()),
        data_hash=data_hash(said[0].scores, answers),
        prompts_hash=await long_work(prompts_hash, asked),
        versions=versions_of(cascade.last),
        measured_with=tuple(each.name for each in own),
    )
    record = await long_work(
        _record, scope, calibrated, may_stand, answers, query.promise, provenance
    )
    if not query.validate_only:
        activate = query.activate and (query.force or not record.degenerate)
        record = await calibrators.keep(record, activate, query.request, PATIENCE_SECONDS)
    yield record


def _scope(query: FitCascade, cascade: Cascade) -> Scope:
    questions = query.source.questions
    options = 0 if query.any_options else len(questions[0].options)
    return cascade.scope(query.task, common_key(questions, query.reading), options)


async def _asked(query: FitCascade, model: ModelEntry) -> Asked:
    questions = query.source.questions
    if query.written is not None:
        questions = await query.written(await model.ready())
    return Asked(model, questions, query.source.shots, query.reading)


def _own_calibrator(model: ModelEntry, scope: Scope, calibrators: Calibrators) -> Calibrator:
    """What answers for one of the models in a scope of the cascade's. Raises NotReady where nothing
    does.
    """
    own = model.scope(scope.task, scope.reading, scope.options)
    active = calibrators.active(own)
    if isinstance(active, ServiceError):
        raise active
    if active is None:
        raise NotReady(
            f"models/{model.name}: {calibrators.raw_because(own)}; a threshold is for "
            "calibrated confidences, and IDENTITY keeps raw ones",
            reason="NOT_CALIBRATED",
        )
    return active


def calibrated_scores(
    scores: NDArray[np.float64], calibrator: Calibrator | None, calibrators: Calibrators
) -> NDArray[np.float64]:
    """What a calibrator, if there is one, makes of a model's scores, (n, k). Raises NotReady."""
    applied = None if calibrator is None else calibrators.applied(calibrator)
    if isinstance(applied, ServiceError):
        raise applied
    return distributions(scores, calibrator, applied).calibrated


def _record(
    scope: Scope,
    calibrated: Sequence[NDArray[np.float64]],
    may_stand: Sequence[NDArray[np.bool_]],
    answers: NDArray[np.int64],
    promise: CascadePromise,
    provenance: Provenance,
) -> Calibrator:
    if promise.target is Target.RISK:
        found = risk_thresholds(calibrated, answers, promise.share, may_stand=may_stand)
        least = found.min_confidence
        metrics = {
            "coverage": found.coverage,
            "risk": found.risk,
            "risk_upper_bound": found.risk_bound,
        }
    else:
        confidence = np.minimum(calibrated[0].max(axis=1), 1.0)  # a certainty may be rounded up
        passed_on = passed_on_threshold(np.where(may_stand[0], confidence, 0.0), promise.share)
        least = (passed_on.min_confidence,)
        metrics = {
            "coverage": 1 - passed_on.share,
            "passed_on_upper_bound": passed_on.bound,
        }
    return Calibrator(
        scope=scope,
        method=METHOD,
        parameters={MIN_CONFIDENCE: least, promise.target.value: (promise.share,)},
        provenance=provenance,
        metrics=metrics,
        fallback=_fallback(promise, len(answers)) if min(least) >= NEVER else "",
    )


def _fallback(promise: CascadePromise, items: int) -> str:
    of = "a risk of" if promise.target is Target.RISK else "what is passed on to"
    return (
        f"no threshold keeps {of} {promise.share:g} on {items} items: the last model is asked "
        "everything"
    )
