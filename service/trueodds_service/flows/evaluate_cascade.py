"""The path of a cascade's evaluation: labelled items → both models → who answers, and how well."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.decisions.cascade import InTurn, in_turn
from trueodds_service.core.metrics.rate_intervals import wilson_interval
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import distributions
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.cascade import MIN_CONFIDENCE
from trueodds_service.flows.catalog import Cascade
from trueodds_service.flows.evaluate import (
    CascadePart,
    CascadeReport,
    Estimate,
    EvaluateQuery,
    Report,
    abstentions,
    check_asked,
    compared,
)
from trueodds_service.flows.fit_cascade import TARGET_RISK
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    Said,
    ask,
    data_hash,
)
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a model says of n items, (n, k), calibrated, and the tokens of their prompts, (n,)."""

    model: str
    calibrated: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]


async def evaluate_cascade(
    query: EvaluateQuery, cascade: Cascade, calibrators: Calibrators
) -> AsyncIterator[Progress | Report]:
    """Measures a cascade against its last model alone: progress first, the report last.

    Both models are asked everything. The first has the calibrator that the threshold was measured
    with, active or not; the last has what answers for it now.
    """
    record = await calibrators.get(cascade.name, query.calibrator)
    if not isinstance(query.source, FitQuestions):
        raise InvalidInput("scores", "a cascade is measured on questions: it asks two models")
    reading = query.reading or Reading()
    check_asked(record, query.source.questions, reading, cascade.revision)
    first_id = record.provenance.first_calibrator.rpartition("/")[2]
    first = await calibrators.get(cascade.first.name, first_id)
    scope = record.scope
    last = calibrators.active(cascade.last.scope(scope.task, scope.reading, scope.options))
    if isinstance(last, ServiceError):
        raise last
    said: Sequence[Said] = ()
    async for event in ask(
        [
            Asked(each, query.source.questions, query.source.shots, reading)
            for each in cascade.models
        ]
    ):
        if isinstance(event, Progress):
            yield event
        else:
            said = event
    measured = [
        _measured(model.name, each, calibrator, calibrators)
        for model, each, calibrator in zip(cascade.models, said, (first, last), strict=True)
    ]
    yield await long_work(
        _report, query, record, *measured, data_hash(said[0].scores, query.source.answers)
    )


def _measured(
    model: str, said: Said, calibrator: Calibrator | None, calibrators: Calibrators
) -> _Measured:
    applied = None if calibrator is None else calibrators.applied(calibrator)
    if isinstance(applied, ServiceError):
        raise applied
    found = distributions(said.scores, calibrator, applied)
    return _Measured(model, found.calibrated, said.prompt_tokens)


def _report(
    query: EvaluateQuery, record: Calibrator, first: _Measured, last: _Measured, data: str
) -> Report:
    answers = query.source.answers
    (least,), (target_risk,) = record.parameters[MIN_CONFIDENCE], record.parameters[TARGET_RISK]
    found = in_turn(first.calibrated, last.calibrated, least)
    before, after, differences = compared(last.calibrated, found.probs, answers)
    return Report(
        calibrator=record,
        items=len(answers),
        before=before,
        after=after,
        differences=differences,
        abstentions=abstentions(found.probs, answers, query.target_risks),
        # A threshold of sets is for the calibrator of one model.
        answer_sets=(),
        data_hash=data,
        cascade=CascadeReport(
            target_risk, _parts(first, last, found, answers), int(last.prompt_tokens.sum())
        ),
    )


def _parts(
    first: _Measured, last: _Measured, found: InTurn, answers: NDArray[np.int64]
) -> tuple[CascadePart, ...]:
    wrong = found.probs.argmax(axis=1) != answers
    everything = np.ones_like(found.by_first)
    return tuple(
        CascadePart(
            model=each.model,
            asked=int(asked.sum()),
            answered=int(answered.sum()),
            risk=_risk(wrong[answered]),
            prompt_tokens=int(each.prompt_tokens[asked].sum()),
        )
        for each, asked, answered in (
            (first, everything, found.by_first),
            (last, ~found.by_first, ~found.by_first),
        )
    )


def _risk(wrong: NDArray[np.bool_]) -> Estimate | None:
    if not len(wrong):
        return None
    share = float(wrong.mean())
    low, high = wilson_interval(share, len(wrong))
    return Estimate(share, float(low), float(high))
