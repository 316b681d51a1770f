"""The path of an evaluation: labelled items → both distributions → what a calibrator does."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.core.decisions.abstention import (
    AbstentionThreshold,
    abstention_threshold,
    confidence_threshold,
)
from trueodds_service.core.decisions.conformal import (
    ConformalScore,
    answer_sets,
    conformal_threshold,
)
from trueodds_service.core.fitting.confidence import correct_of
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.metrics.bin_edges import Binning
from trueodds_service.core.metrics.confidences import (
    evaluate_confidences,
    null_confidence_errors,
    paired_confidence_intervals,
)
from trueodds_service.core.metrics.evaluate import Interval, evaluate
from trueodds_service.core.metrics.null_errors import null_errors
from trueodds_service.core.metrics.paired import PairedIntervals, paired_intervals
from trueodds_service.core.metrics.reliability import ReliabilityBins, reliability_bins
from trueodds_service.core.metrics.selective import RiskCoverage, risk_coverage
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import (
    Distributions,
    distributions,
    kind_mismatch,
    mismatch,
    options_mismatch,
    reading_mismatch,
)
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.cascade_promise import CascadePromise
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    Progress,
    Said,
    ask,
    common_key,
    data_hash,
    one_number,
)
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator

_MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class EvaluateQuery:
    """A calibrator, by its model and id, and what to measure it on: every item has its answer.

    ``reading`` is None where the caller has the scores and does not say how they were read.
    """

    model: str
    calibrator: str
    reading: Reading | None
    source: FitQuestions | FitData
    target_risks: tuple[float, ...]
    miscoverages: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval; without one, the interval is the number."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An answer distribution, measured."""

    metrics: Mapping[str, Estimate]
    bins: Mapping[Binning, ReliabilityBins]
    curve: RiskCoverage


@dataclass(frozen=True, slots=True)
class Abstention:
    """``min_confidence`` is None where no threshold keeps the risk."""

    target_risk: float
    min_confidence: float | None
    coverage: float
    risk: float
    risk_bound: float


@dataclass(frozen=True, slots=True)
class SetCalibration:
    """A threshold for answer sets, in [0, 1], and what its sets are like on the items."""

    miscoverage: float
    score: ConformalScore
    threshold: float
    mean_size: float
    coverage: float
    singletons: float


@dataclass(frozen=True, slots=True)
class CascadePart:
    """A model of a cascade: how many items it was ``asked``, and ``answered``, of which it had the
    share ``risk`` wrong: None where it answered none. The engine had ``cached_tokens`` of its
    ``prompt_tokens`` in its cache; ``cost`` is that of the others, by the model's price.
    """

    model: str
    asked: int
    answered: int
    risk: Estimate | None
    prompt_tokens: int
    cached_tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class CascadeReport:
    """Who answers, in the order of their turns, and the last where it is asked everything.

    ``relative_cost`` is the cost of all in that of the last alone; None where that is none.
    """

    promise: CascadePromise
    parts: tuple[CascadePart, ...]
    last_alone: CascadePart
    relative_cost: Estimate | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a calibrator does. ``differences`` are after less before, by metric, paired; of a
    cascade's, ``before`` is its last model alone.
    """

    calibrator: Calibrator
    items: int
    before: Evaluation
    after: Evaluation
    differences: Mapping[str, Estimate]
    abstentions: tuple[Abstention, ...]
    answer_sets: tuple[SetCalibration, ...]
    data_hash: str
    cascade: CascadeReport | None = None


async def evaluate_calibrator(
    query: EvaluateQuery, catalog: Catalog, calibrators: Calibrators
) -> AsyncIterator[Progress | Report]:
    """Measures a calibrator: progress first, the report last. Raises a ServiceError."""
    calibrator = await calibrators.get(query.model, query.calibrator)
    asked = _asked(query, calibrator, catalog)
    applied = calibrators.applied(calibrator)
    if isinstance(applied, ServiceError):
        raise applied
    said: Sequence[Said] = ()
    async for event in ask(asked):
        if isinstance(event, Progress):
            yield event
        else:
            said = event
    yield await long_work(_report, query, calibrator, applied, said)


def _asked(query: EvaluateQuery, calibrator: Calibrator, catalog: Catalog) -> list[Asked]:
    """What to ask the model. Raises NotReady for what the calibrator is not for."""
    scope, source = calibrator.scope, query.source
    if isinstance(source, FitData):
        if wrong := kind_mismatch(calibrator, alone=source.alone):
            raise wrong
        if source.alone:
            return []
        _check_options(calibrator, source.option_counts.tolist(), "scores.items[{}]")
        if query.reading is not None and not query.reading.is_way(scope.reading):
            raise reading_mismatch(calibrator, query.reading.key())
        return []
    model, reading = catalog.find(query.model), query.reading or Reading()
    check_asked(calibrator, source.questions, reading, model.revision)
    return [Asked(model, source.questions, source.shots, reading)]


def check_asked(
    calibrator: Calibrator, questions: Sequence[Question], reading: Reading, revision: str
) -> None:
    """Raises a ServiceError unless a calibrator is for what would be asked, of this revision."""
    scope = calibrator.scope
    counts = [len(question.options) for question in questions]
    _check_options(calibrator, counts, "questions.items[{}].question.options")
    if (key := common_key(questions, reading)) != scope.reading:
        raise reading_mismatch(calibrator, key)
    if scope.format_version != FORMAT_VERSION:
        raise mismatch("another version of the formats")
    if scope.revision != revision:
        raise mismatch("another revision of the model")


def _check_options(calibrator: Calibrator, counts: Sequence[int], at: str) -> None:
    """Raises a ServiceError unless the calibrator is for items of these numbers of options."""
    if wrong := options_mismatch(calibrator, counts[0]):
        raise wrong
    for place, count in enumerate(counts):
        if options_mismatch(calibrator, count):
            raise InvalidInput(at.format(place), one_number(counts[0]))


def _data(source: FitQuestions | FitData, said: Sequence[Said]) -> FitData:
    """What to measure on; ``said`` is the answer to ``_asked``."""
    if isinstance(source, FitData):
        return source
    return FitData(said[0].scores, source.answers, options=said[0].options, finite=False)


def _report(
    query: EvaluateQuery, calibrator: Calibrator, applied: Applied, said: Sequence[Said]
) -> Report:
    data = _data(query.source, said)
    found = distributions(data.logprobs, calibrator, applied)
    if data.alone:
        return _report_alone(query, calibrator, data, found)
    answers = data.answers
    before, after, differences = compared(found.answer, found.calibrated, answers)
    return Report(
        calibrator=calibrator,
        items=len(answers),
        before=before,
        after=after,
        differences=differences,
        abstentions=abstentions(found.calibrated, answers, query.target_risks),
        answer_sets=tuple(
            _answer_sets(found.calibrated, data.option_counts, answers, miscoverage, score)
            for miscoverage in query.miscoverages
            for score in ConformalScore
        ),
        data_hash=data_hash(data.logprobs, data.answers),
    )


def _report_alone(
    query: EvaluateQuery, calibrator: Calibrator, data: FitData, found: Distributions
) -> Report:
    """Of confidences alone: the first of two is the answer's, whichever is the likelier."""
    correct = correct_of(data)
    raw, calibrated = found.answer[:, 0], found.calibrated[:, 0]
    paired = paired_confidence_intervals(raw, calibrated, correct)
    before, after = (
        _evaluation_of(
            evaluate_confidences(each, correct) | _named_null(null_confidence_errors(each)),
            {name: getattr(interval, side) for name, interval in paired.items()},
            each,
            correct,
        )
        for side, each in (("before", raw), ("after", calibrated))
    )
    return Report(
        calibrator=calibrator,
        items=len(correct),
        before=before,
        after=after,
        differences=_differences(before, after, paired),
        abstentions=tuple(
            _abstention(risk, confidence_threshold(calibrated, correct, risk))
            for risk in query.target_risks
        ),
        answer_sets=(),
        data_hash=data_hash(data.logprobs, data.answers),
    )


def compared(
    raw: NDArray[np.float64], calibrated: NDArray[np.float64], answers: NDArray[np.int64]
) -> tuple[Evaluation, Evaluation, Mapping[str, Estimate]]:
    """Two distributions of the same n items, (n, k), measured, and the second less the first."""
    paired = paired_intervals(raw, calibrated, answers)
    before = _evaluation(raw, answers, {name: each.before for name, each in paired.items()})
    after = _evaluation(calibrated, answers, {name: each.after for name, each in paired.items()})
    return before, after, _differences(before, after, paired)


def _differences(
    before: Evaluation, after: Evaluation, paired: Mapping[str, PairedIntervals]
) -> Mapping[str, Estimate]:
    return {
        name: Estimate(
            after.metrics[name].value - before.metrics[name].value,
            each.difference.low,
            each.difference.high,
        )
        for name, each in paired.items()
    }


def _evaluation(
    probs: NDArray[np.float64], answers: NDArray[np.int64], intervals: Mapping[str, Interval]
) -> Evaluation:
    values = asdict(evaluate(probs, answers))
    del values["n"]
    values |= _named_null(null_errors(probs))
    confidence = np.minimum(probs.max(axis=1), 1.0)
    return _evaluation_of(values, intervals, confidence, probs.argmax(axis=1) == answers)


def _named_null(errors: Mapping[str, float]) -> dict[str, float]:
    return {f"null_{name}": value for name, value in errors.items()}


def _evaluation_of(
    values: Mapping[str, float],
    intervals: Mapping[str, Interval],
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
) -> Evaluation:
    binnings: tuple[Binning, ...] = ("equal_width", "equal_mass")
    return Evaluation(
        metrics={name: _estimate(value, intervals.get(name)) for name, value in values.items()},
        bins={
            binning: reliability_bins(confidence, correct, binning=binning) for binning in binnings
        },
        curve=_thinned(risk_coverage(confidence, correct)),
    )


def _estimate(value: float, interval: Interval | None) -> Estimate:
    if interval is None:
        return Estimate(value, value, value)
    return Estimate(value, interval.low, interval.high)


def _thinned(curve: RiskCoverage) -> RiskCoverage:
    """At most ``_MAX_POINTS`` of its points, the first and the last among them."""
    count = len(curve.threshold)
    kept = np.unique(np.linspace(0, count - 1, min(count, _MAX_POINTS)).round().astype(int))
    return RiskCoverage(curve.threshold[kept], curve.coverage[kept], curve.risk[kept])


def abstentions(
    probs: NDArray[np.float64], answers: NDArray[np.int64], target_risks: Sequence[float]
) -> tuple[Abstention, ...]:
    """The least confidence for each target risk."""
    return tuple(
        _abstention(risk, abstention_threshold(probs, answers, risk)) for risk in target_risks
    )


def _abstention(target_risk: float, found: AbstentionThreshold) -> Abstention:
    if found.min_confidence > 1:
        return Abstention(target_risk, None, 0.0, 0.0, 0.0)
    return Abstention(
        target_risk, found.min_confidence, found.coverage, found.risk, found.risk_bound
    )


def _answer_sets(
    probs: NDArray[np.float64],
    options: NDArray[np.int64],
    answers: NDArray[np.int64],
    miscoverage: float,
    score: ConformalScore,
) -> SetCalibration:
    threshold = conformal_threshold(probs, answers, miscoverage, score)
    held = answer_sets(probs, threshold, score)
    held &= np.arange(probs.shape[1]) < options[:, np.newaxis]  # what an item does not have
    sizes = held.sum(axis=1)
    return SetCalibration(
        miscoverage=miscoverage,
        score=score,
        threshold=min(threshold, 1.0),
        mean_size=float(sizes.mean()),
        coverage=float(held[np.arange(len(answers)), answers].mean()),
        singletons=float((sizes == 1).mean()),
    )
