"""The path of a cascade's evaluation: labelled items → all models → who answers, and how well."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.decisions.abstention import NEVER
from trueodds_service.core.decisions.cascade import InTurn, in_turn
from trueodds_service.core.metrics.paired import ratio_interval
from trueodds_service.core.metrics.rate_intervals import wilson_interval
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.cascade_promise import MIN_CONFIDENCE, CascadePromise, promise_in
from trueodds_service.flows.catalog import Cascade, ModelEntry
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
from trueodds_service.flows.fit_cascade import calibrated_scores
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    Said,
    ask,
    data_hash,
)
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a model says of n items, (n, k), calibrated, and the tokens of their prompts."""

    model: ModelEntry
    calibrated: NDArray[np.float64]
    said: Said

    @property
    def costs(self) -> NDArray[np.float64]:
        """Of each item, (n,): of the tokens that the engine did not have in its cache."""
        computed = self.said.prompt_tokens - self.said.cached_tokens
        return np.asarray(computed * self.model.price, dtype=np.float64)

    def part(self, asked: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> CascadePart:
        """What it takes to ask it some of the items, (n,), and how much is ``wrong`` of those that
        it answers.
        """
        return CascadePart(
            model=self.model.name,
            asked=int(asked.sum()),
            answered=len(wrong),
            risk=_risk(wrong),
            prompt_tokens=int(self.said.prompt_tokens[asked].sum()),
            cached_tokens=int(self.said.cached_tokens[asked].sum()),
            cost=float(self.costs[asked].sum()),
        )


async def evaluate_cascade(
    query: EvaluateQuery, cascade: Cascade, calibrators: Calibrators
) -> AsyncIterator[Progress | Report]:
    """Measures a cascade against its last model alone: progress first, the report last.

    All models are asked everything. All but the last have the calibrators that the thresholds were
    measured with, active or not; the last has what answers for it now.
    """
    record = await calibrators.get(cascade.name, query.calibrator)
    if not isinstance(query.source, FitQuestions):
        raise InvalidInput("scores", "a cascade is measured on questions: it asks its models")
    reading = query.reading or Reading()
    check_asked(record, query.source.questions, reading, cascade.revision)
    own: list[Calibrator | None] = [
        await calibrators.get(model.name, name.rpartition("/")[2])
        for model, name in zip(cascade.others, record.provenance.measured_with, strict=True)
    ]
    last = _active(cascade.last, record.scope, query.source.questions, calibrators)
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
    calibrated = [
        calibrated_scores(each.scores, calibrator, calibrators)
        for each, calibrator in zip(said[:-1], own, strict=True)
    ]
    calibrated.append(_by_options(said[-1], last, calibrators))
    measured = [_Measured(*each) for each in zip(cascade.models, calibrated, said, strict=True)]
    yield await long_work(
        _report, query, record, measured, data_hash(said[0].scores, query.source.answers)
    )


def _active(
    model: ModelEntry, scope: Scope, questions: Sequence[Question], calibrators: Calibrators
) -> dict[int, Calibrator | None]:
    """What answers for a model now, by the number of options. Raises NotReady."""
    found: dict[int, Calibrator | None] = {}
    for options in {len(each.options) for each in questions}:
        active = calibrators.active(model.scope(scope.task, scope.reading, options))
        if isinstance(active, ServiceError):
            raise active
        found[options] = active
    return found


def _by_options(
    said: Said, by_options: Mapping[int, Calibrator | None], calibrators: Calibrators
) -> NDArray[np.float64]:
    """``calibrated_scores`` with calibrators by the numbers of options, (n, k)."""
    calibrated = np.zeros(said.scores.shape)
    for options, calibrator in by_options.items():
        rows = said.options == options
        found = calibrated_scores(said.scores[rows, :options], calibrator, calibrators)
        calibrated[rows, :options] = found
    return calibrated


def _report(
    query: EvaluateQuery, record: Calibrator, models: Sequence[_Measured], data: str
) -> Report:
    answers = query.source.answers
    least = record.parameters[MIN_CONFIDENCE]
    found = in_turn([each.calibrated for each in models], least)
    before, after, differences = compared(models[-1].calibrated, found.probs, answers)
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
        cascade=_cascade(models, least, found, answers, promise_in(record)),
    )


def _cascade(
    models: Sequence[_Measured],
    min_confidence: Sequence[float],
    found: InTurn,
    answers: NDArray[np.int64],
    promise: CascadePromise,
) -> CascadeReport:
    wrong, last = found.probs.argmax(axis=1) != answers, models[-1]
    costs = np.zeros(len(answers))
    parts = []
    for place, (each, least) in enumerate(zip(models, (*min_confidence, 0.0), strict=True)):
        # A model of which no answer could stand is not asked.
        asked = (found.by >= place) & (least < NEVER)
        costs += np.where(asked, each.costs, 0.0)
        parts.append(each.part(asked, wrong[found.by == place]))
    everything = np.ones(len(answers), dtype=bool)
    alone = last.part(everything, last.calibrated.argmax(axis=1) != answers)
    return CascadeReport(promise, tuple(parts), alone, _relative(costs, last.costs))


def _relative(costs: NDArray[np.float64], alone: NDArray[np.float64]) -> Estimate | None:
    if not alone.any():
        return None
    interval = ratio_interval(costs, alone)
    return Estimate(float(costs.sum() / alone.sum()), interval.low, interval.high)


def _risk(wrong: NDArray[np.bool_]) -> Estimate | None:
    if not len(wrong):
        return None
    share = float(wrong.mean())
    low, high = wilson_interval(share, len(wrong))
    return Estimate(share, float(low), float(high))
