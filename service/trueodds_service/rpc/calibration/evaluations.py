"""EvaluateCalibratorRequest → EvaluateQuery, checked, and reports → messages."""

from collections.abc import Mapping, Sequence

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import scoring_pb2
from trueodds_service.config import Limits
from trueodds_service.core.decisions.conformal import ConformalScore
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.metrics.rate_intervals import wilson_interval
from trueodds_service.core.metrics.reliability import ReliabilityBins
from trueodds_service.core.metrics.selective import RiskCoverage
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.evaluate import (
    Abstention,
    CascadePart,
    CascadeReport,
    Estimate,
    EvaluateQuery,
    Evaluation,
    Report,
    SetCalibration,
)
from trueodds_service.flows.fit_data import FitQuestions
from trueodds_service.prompts.reading import OrderCorrection, Reading
from trueodds_service.rpc.calibration.items import parse_questions, parse_scores
from trueodds_service.rpc.calibration.rows import NO_READING, RowKind, kind_of
from trueodds_service.rpc.names import model_name, parse_calibrator
from trueodds_service.rpc.reading import parse_reading

SET_METHODS = {
    ConformalScore.LAC: scoring_pb2.ANSWER_SET_METHOD_LAC,
    ConformalScore.APS: scoring_pb2.ANSWER_SET_METHOD_APS,
}
_TARGET_RISKS = (0.01, 0.05, 0.1, 0.2)
_MISCOVERAGES = (0.1,)
_MAX_RATES = 32


def parse_evaluation(request: pb.EvaluateCalibratorRequest, limits: Limits) -> EvaluateQuery:
    """Raises InvalidInput."""
    model, calibrator_id = parse_calibrator(request.name, "name")
    source = request.WhichOneof("source")
    if source is None:
        raise InvalidInput("source", "is required: questions or scores")
    if source == "scores" and kind_of(request.scores.items) is RowKind.CONFIDENCE:
        if request.HasField("reading"):
            raise InvalidInput("reading", NO_READING)
        if request.miscoverages:
            raise InvalidInput("miscoverages", "do not go with confidences alone: of no options")
    reading = None
    if source == "questions" or request.HasField("reading"):
        with field("reading"):
            reading = parse_reading(request.reading, limits)
            if reading.order is OrderCorrection.PRIOR and not reading.label_prior:
                raise InvalidInput("label_prior", "is required: a calibrator is for one prior")
    return EvaluateQuery(
        model=model,
        calibrator=calibrator_id,
        reading=reading,
        source=_source(request, reading, limits),
        target_risks=_rates(request.target_risks, "target_risks", _TARGET_RISKS),
        miscoverages=_rates(request.miscoverages, "miscoverages", _MISCOVERAGES),
    )


def _source(
    request: pb.EvaluateCalibratorRequest, reading: Reading | None, limits: Limits
) -> FitQuestions | FitData:
    if request.HasField("questions"):
        with field("questions"):
            return parse_questions(
                request.questions, reading or Reading(), limits, all_answered=True, mixed=True
            )
    with field("scores"):
        return parse_scores(request.scores, limits, finite=False, all_answered=True, mixed=True)


def _rates(values: Sequence[float], name: str, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) > _MAX_RATES:
        raise InvalidInput(name, f"has {len(values)}; at most {_MAX_RATES}")
    for index, value in enumerate(values):
        if not 0 < value < 1:
            raise InvalidInput(f"{name}[{index}]", "has to be above 0 and below 1")
    return tuple(values) or otherwise


def report_message(report: Report, calibrator: pb.Calibrator) -> pb.Report:
    """``calibrator`` is the report's, as a message."""
    return pb.Report(
        calibrator=calibrator,
        items=report.items,
        before=evaluation_message(report.before),
        after=evaluation_message(report.after),
        differences=estimate_messages(report.differences),
        abstentions=[_abstention(each) for each in report.abstentions],
        answer_sets=[_answer_set(each) for each in report.answer_sets],
        data_hash=report.data_hash,
        cascade=None if report.cascade is None else _cascade(report.cascade),
    )


def _cascade(report: CascadeReport) -> pb.CascadeReport:
    return pb.CascadeReport(
        **{report.promise.target: report.promise.share},
        parts=map(_part, report.parts),
        last_alone=_part(report.last_alone),
        relative_cost=None if report.relative_cost is None else _estimate(report.relative_cost),
    )


def _part(part: CascadePart) -> pb.CascadePart:
    return pb.CascadePart(
        model=model_name(part.model),
        asked=part.asked,
        answered=part.answered,
        risk=None if part.risk is None else _estimate(part.risk),
        prompt_tokens=part.prompt_tokens,
        cached_tokens=part.cached_tokens,
        cost=part.cost,
    )


def evaluation_message(evaluation: Evaluation) -> pb.Evaluation:
    return pb.Evaluation(
        metrics=estimate_messages(evaluation.metrics),
        equal_width=_bins(evaluation.bins["equal_width"]),
        equal_mass=_bins(evaluation.bins["equal_mass"]),
        risk_coverage=_curve(evaluation.curve),
    )


def estimate_messages(estimates: Mapping[str, Estimate]) -> dict[str, pb.Estimate]:
    return {name: _estimate(each) for name, each in estimates.items()}


def _estimate(estimate: Estimate) -> pb.Estimate:
    return pb.Estimate(value=estimate.value, lower=estimate.low, upper=estimate.high)


def _bins(bins: ReliabilityBins) -> list[pb.ReliabilityBin]:
    held = bins.count > 0
    accuracy, count = bins.accuracy[held], bins.count[held]
    lowest, highest = wilson_interval(accuracy, count)
    columns = (bins.lower[held], bins.upper[held], count, bins.confidence[held], accuracy)
    return [
        pb.ReliabilityBin(
            lower=lower,
            upper=upper,
            count=items,
            confidence=confidence,
            accuracy=right,
            accuracy_lower=low,
            accuracy_upper=high,
        )
        for lower, upper, items, confidence, right, low, high in zip(
            *(column.tolist() for column in (*columns, lowest, highest)), strict=True
        )
    ]


def _curve(curve: RiskCoverage) -> list[pb.RiskCoverage]:
    return [
        pb.RiskCoverage(min_confidence=confidence, coverage=coverage, risk=risk)
        for confidence, coverage, risk in zip(
            curve.threshold.tolist(), curve.coverage.tolist(), curve.risk.tolist(), strict=True
        )
    ]


def _abstention(rule: Abstention) -> pb.AbstentionRule:
    return pb.AbstentionRule(
        target_risk=rule.target_risk,
        min_confidence=rule.min_confidence,
        coverage=rule.coverage,
        risk=rule.risk,
        risk_upper_bound=rule.risk_bound,
    )


def _answer_set(found: SetCalibration) -> pb.AnswerSetCalibration:
    return pb.AnswerSetCalibration(
        miscoverage=found.miscoverage,
        rule=scoring_pb2.AnswerSetRule(method=SET_METHODS[found.score], threshold=found.threshold),
        mean_size=found.mean_size,
        coverage=found.coverage,
        singletons=found.singletons,
    )
