"""Python ↔ messages of an evaluation, for both clients."""

from collections.abc import Iterable, Mapping

from typing_extensions import Unpack

from trueodds._convert import calibrators as _calibrators
from trueodds._convert import enums as _enums
from trueodds._convert import questions as _questions
from trueodds._convert.fits import add_items, tell_of_scores
from trueodds._numbers import numbers
from trueodds.answer import AnswerSetRule
from trueodds.evaluation import (
    AbstentionRule,
    AnswerSetCalibration,
    CascadePart,
    CascadeReport,
    Estimate,
    Evaluation,
    ReliabilityBin,
    Report,
    RiskCoverage,
)
from trueodds.options import EVALUATE, EvaluateOptions, completed
from trueodds.question import Example
from trueodds.scores import Scores
from trueodds.v1 import calibration_pb2

_SET_METHODS = {message: method for method, message in _enums.SET_METHODS.items()}


def evaluate_message(
    name: str, items: Iterable[Example | Scores], **options: Unpack[EvaluateOptions]
) -> calibration_pb2.EvaluateCalibratorRequest:
    told = completed(options, EVALUATE)
    message = calibration_pb2.EvaluateCalibratorRequest(
        name=name,
        reading=_questions.reading_message(told["reading"]),
        target_risks=numbers(told["target_risks"], "target_risks"),
        miscoverages=numbers(told["miscoverages"], "miscoverages"),
    )
    add_items(message, list(items), told["shots"])
    tell_of_scores(message, told["probability_step"], told["allow_probabilities"])
    return message


def report_of(message: calibration_pb2.Report) -> Report:
    return Report(
        calibrator=_calibrators.calibrator_of(message.calibrator),
        items=message.items,
        before=evaluation_of(message.before),
        after=evaluation_of(message.after),
        differences=estimates_of(message.differences),
        abstentions=tuple(_abstention_of(each) for each in message.abstentions),
        answer_sets=tuple(_answer_set_of(each) for each in message.answer_sets),
        data_hash=message.data_hash,
        cascade=_cascade_of(message.cascade) if message.HasField("cascade") else None,
    )


def _cascade_of(message: calibration_pb2.CascadeReport) -> CascadeReport:
    return CascadeReport(
        target_risk=message.target_risk if message.HasField("target_risk") else None,
        target_passed_on=(
            message.target_passed_on if message.HasField("target_passed_on") else None
        ),
        parts=tuple(map(_part_of, message.parts)),
        last_alone=_part_of(message.last_alone),
        relative_cost=(
            _estimate_of(message.relative_cost) if message.HasField("relative_cost") else None
        ),
    )


def _part_of(message: calibration_pb2.CascadePart) -> CascadePart:
    return CascadePart(
        model=message.model,
        asked=message.asked,
        answered=message.answered,
        risk=_estimate_of(message.risk) if message.HasField("risk") else None,
        prompt_tokens=message.prompt_tokens,
        cached_tokens=message.cached_tokens,
        cost=message.cost,
    )


def evaluation_of(message: calibration_pb2.Evaluation) -> Evaluation:
    return Evaluation(
        metrics=estimates_of(message.metrics),
        equal_width=_bins_of(message.equal_width),
        equal_mass=_bins_of(message.equal_mass),
        risk_coverage=tuple(
            RiskCoverage(each.min_confidence, each.coverage, each.risk)
            for each in message.risk_coverage
        ),
    )


def estimates_of(messages: Mapping[str, calibration_pb2.Estimate]) -> dict[str, Estimate]:
    return {name: _estimate_of(each) for name, each in sorted(messages.items())}


def _estimate_of(message: calibration_pb2.Estimate) -> Estimate:
    return Estimate(message.value, message.lower, message.upper)


def _bins_of(messages: Iterable[calibration_pb2.ReliabilityBin]) -> tuple[ReliabilityBin, ...]:
    return tuple(
        ReliabilityBin(
            lower=each.lower,
            upper=each.upper,
            count=each.count,
            confidence=each.confidence,
            accuracy=each.accuracy,
            accuracy_lower=each.accuracy_lower,
            accuracy_upper=each.accuracy_upper,
        )
        for each in messages
    )


def _abstention_of(message: calibration_pb2.AbstentionRule) -> AbstentionRule:
    return AbstentionRule(
        target_risk=message.target_risk,
        min_confidence=message.min_confidence if message.HasField("min_confidence") else None,
        coverage=message.coverage,
        risk=message.risk,
        risk_upper_bound=message.risk_upper_bound,
    )


def _answer_set_of(message: calibration_pb2.AnswerSetCalibration) -> AnswerSetCalibration:
    method = _enums.known(_SET_METHODS, message.rule.method, "kind of answer set")
    return AnswerSetCalibration(
        miscoverage=message.miscoverage,
        rule=AnswerSetRule(method, message.rule.threshold),
        mean_size=message.mean_size,
        coverage=message.coverage,
        singletons=message.singletons,
    )
