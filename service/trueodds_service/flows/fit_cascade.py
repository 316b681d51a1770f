"""The path of a cascade's fit: labelled items → scores of its first model → threshold → store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold
from trueodds_service.core.decisions.cascade import METHOD
from trueodds_service.errors import InvalidInput, NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import distributions
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.cascade import MIN_CONFIDENCE
from trueodds_service.flows.catalog import Cascade, Catalog
from trueodds_service.flows.fit import PATIENCE_SECONDS, versions_of
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    ask,
    common_key,
    data_hash,
    prompts_hash,
)
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import FitRequest, Provenance, Scope

TARGET_RISK = "target_risk"
"""What the other parameter of a cascade's calibrator is called."""


@dataclass(frozen=True, slots=True)
class FitCascade:
    """Questions, all with their answers, of which the first model may get ``target_risk`` wrong.

    The rest is as a ``FitQuery`` has it.
    """

    model: str
    task: str
    reading: Reading
    target_risk: float
    source: FitQuestions
    activate: bool = False
    force: bool = False
    request: FitRequest | None = None
    validate_only: bool = False
    any_options: bool = False


async def fit_cascade(
    query: FitCascade, catalog: Catalog, calibrators: Calibrators
) -> AsyncIterator[Progress | Calibrator]:
    """Finds a cascade's threshold, stores it, and activates it where asked, as ``fit`` does.

    Only the first model is asked. It is measured with the calibrator that answers for it now, and
    the threshold holds for that one alone.
    """
    cascade = catalog.cascade(query.model)
    if cascade is None:
        name = catalog.find(query.model).name
        raise InvalidInput("method", f"CASCADE is for a cascade, and models/{name} is none")
    if query.request is not None:
        answered = await calibrators.answered(query.request)
        if answered is not None:
            yield answered
            return
    scope = _scope(query, cascade)
    first = _first_calibrator(cascade, scope, calibrators)
    asked = [Asked(cascade.first, query.source.questions, query.source.shots, query.reading)]
    scores = np.empty((0, 0))
    async for event in ask(asked):
        if isinstance(event, Progress):
            yield event
        else:
            scores = event[0].scores
    applied = calibrators.applied(first)
    if isinstance(applied, ServiceError):
        raise applied
    calibrated = distributions(scores, first, applied).calibrated
    provenance = Provenance(
        items=len(scores),
        labelled=len(scores),
        data_hash=data_hash(scores, query.source.answers),
        prompts_hash=prompts_hash(asked),
        versions=versions_of(cascade.first),
        first_calibrator=first.name,
    )
    record = await long_work(
        _record, scope, calibrated, query.source.answers, query.target_risk, provenance
    )
    if not query.validate_only:
        activate = query.activate and (query.force or not record.degenerate)
        record = await calibrators.keep(record, activate, query.request, PATIENCE_SECONDS)
    yield record


def _scope(query: FitCascade, cascade: Cascade) -> Scope:
    questions = query.source.questions
    options = 0 if query.any_options else len(questions[0].options)
    return cascade.scope(query.task, common_key(questions, query.reading), options)


def _first_calibrator(cascade: Cascade, scope: Scope, calibrators: Calibrators) -> Calibrator:
    """What answers for the first model. Raises NotReady where nothing does."""
    own = cascade.first.scope(scope.task, scope.reading, scope.options)
    active = calibrators.active(own)
    if isinstance(active, ServiceError):
        raise active
    if active is None:
        raise NotReady(
            f"models/{cascade.first.name}: {calibrators.raw_because(own)}; a threshold is for "
            "calibrated confidences, and IDENTITY keeps raw ones",
            reason="NOT_CALIBRATED",
        )
    return active


def _record(
    scope: Scope,
    calibrated: NDArray[np.float64],
    answers: NDArray[np.int64],
    target_risk: float,
    provenance: Provenance,
) -> Calibrator:
    found = abstention_threshold(calibrated, answers, target_risk)
    answers_nothing = found.min_confidence >= NEVER
    return Calibrator(
        scope=scope,
        method=METHOD,
        parameters={MIN_CONFIDENCE: (found.min_confidence,), TARGET_RISK: (target_risk,)},
        provenance=provenance,
        metrics={
            "coverage": found.coverage,
            "risk": found.risk,
            "risk_upper_bound": found.risk_bound,
        },
        fallback=_fallback(target_risk, len(answers)) if answers_nothing else "",
    )


def _fallback(target_risk: float, items: int) -> str:
    return (
        f"no threshold keeps a risk of {target_risk:g} on {items} items: the last model is asked "
        "everything"
    )
