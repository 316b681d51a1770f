"""What the service promises of every request: how it ends, what it tells, what it never tells."""

import math
import re
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from trueodds.v1 import calibration_pb2, reading_pb2, scoring_pb2
from verification.fuzz.calls import Call, Ending
from verification.fuzz.known import MARKER

_CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
_LEFT = {"CANCELLED", "DEADLINE_EXCEEDED"}
# What only a hostile engine may be said to do.
_ENGINES = {"ENGINE_KILLED", "ENGINE_FAULT", "ENGINE_LOST", "LOGITS_NAN"}
_SUM_TOLERANCE = 1e-9
# What a log could still be searched for.
_TELLTALE = MARKER[:10]
_STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")


def broken_promises(call: Call, ending: Ending) -> Iterator[str]:
    """Each in a few words, the same for the same fault."""
    if not call.is_patient and ending.code.name in _LEFT:
        return
    request = call.message()
    if ending.code is not grpc.StatusCode.OK:
        yield from _of_status(ending.code.name, ending.status, request)
    elif request is None:
        yield "answers what is no message"
    else:
        yield from _of_responses(request, ending.responses)


def _of_responses(request: Any, responses: tuple[Any, ...]) -> Iterator[str]:
    match request:
        case scoring_pb2.ScoreRequest():
            yield from _of_answer(responses[0].answer, request.settings, request.question)
        case scoring_pb2.BatchScoreRequest():
            yield from _of_batch(responses[0].outcomes, request)
        case calibration_pb2.FitCalibratorRequest() | calibration_pb2.StreamFitCalibratorRequest():
            yield from _of_fit(responses)
        case (
            calibration_pb2.EvaluateCalibratorRequest()
            | calibration_pb2.StreamEvaluateCalibratorRequest()
        ):
            yield from _of_evaluation(responses)
        case calibration_pb2.CheckCalibratorRequest():
            yield from _of_check(responses, request)
        case calibration_pb2.CalibrateRequest():
            yield from _of_calibrate(responses[0])
        case calibration_pb2.ListCalibratorsRequest():
            yield from _of_list(responses[0], request)
        case calibration_pb2.RecordOutcomesRequest():
            yield from _of_outcomes(responses[0], request)
        case calibration_pb2.GetDriftRequest():
            yield from _of_drift(responses[0].drift)


def _of_status(
    code: str, status: status_pb2.Status | None, request: Message | None
) -> Iterator[str]:
    """What is wrong with the status of an error, a call's or an item's."""
    if code not in _CODES:
        yield f"{code}"
    if status is None:
        yield f"{code} without details"
        return
    if _TELLTALE.encode() in status.SerializeToString():
        yield f"{code} tells a prompt"
    info = _detail(status, error_details_pb2.ErrorInfo())
    if not (info.reason and info.domain):
        yield f"{code} without a reason"
    elif info.reason in _ENGINES:
        yield f"{code} ({info.reason}): the engine was to blame"
    if code == "INVALID_ARGUMENT":
        violations = _detail(status, error_details_pb2.BadRequest()).field_violations
        if [bool(each.field) for each in violations] != [True]:
            yield f"{code} without a field"
        elif not _is_field(violations[0].field, request):
            yield f"{code} ({info.reason}) at {_pattern(violations[0].field)}: no such field"


def _detail(status: status_pb2.Status, detail: Any) -> Any:
    for box in status.details:
        if box.Unpack(detail):
            break
    return detail


def _is_field(path: str, request: Any) -> bool:
    """Whether a path such as questions[3].options[1].label leads to a field of the request."""
    if request is None:
        return path == "request"
    # The fields of what comes in parts are those of the whole.
    request = parent = getattr(request, "part", request)
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        if match is None or not isinstance(parent, Message):
            return False
        name, index = match.groups()
        if name in parent.DESCRIPTOR.oneofs_by_name and index is None:
            parent = None
        elif name not in parent.DESCRIPTOR.fields_by_name:
            return False
        else:
            items = parent = getattr(parent, name)
            if index is not None:
                if name == "options" and not items:
                    items = _shared_options(request)
                if not 0 <= int(index) < len(items):
                    return False
                parent = items[int(index)]
    return True


def _shared_options(request: Any) -> Any:
    """Those of every question that has none of its own."""
    if isinstance(request, calibration_pb2.FitCalibratorRequest):
        return request.questions.options
    return request.settings.options


def _pattern(path: str) -> str:
    return re.sub(r"\d+", "*", path)


def _of_batch(
    outcomes: list[scoring_pb2.Outcome], request: scoring_pb2.BatchScoreRequest
) -> Iterator[str]:
    if len(outcomes) != len(request.questions):
        yield "not one outcome a question"
        return
    for outcome, question in zip(outcomes, request.questions, strict=True):
        match outcome.WhichOneof("outcome"):
            case "answer":
                yield from _of_answer(outcome.answer, request.settings, question)
            case "error":
                code = code_pb2.Code.Name(outcome.error.code)
                for broken in _of_status(code, outcome.error, request):
                    yield f"an item's {broken}"
            case _:
                yield "an outcome without anything"


def _of_answer(
    answer: scoring_pb2.Answer, settings: scoring_pb2.ScoreSettings, question: Any
) -> Iterator[str]:
    options = question.options or settings.options
    count = len(options)
    if len(answer.options) != count:
        yield "not one score an option"
        return
    yield from _of_options(answer, settings.reading)
    facts = {
        "format probability": 0 <= answer.format_probability <= 1,
        "option mass": 0 <= answer.option_mass <= 1,
        "entropy": 0 <= answer.entropy <= math.log(count) + _SUM_TOLERANCE,
        "abstention": answer.abstained
        == (
            answer.option_mass < settings.min_option_mass
            or answer.calibrated_confidence < settings.min_confidence
        ),
        "required calibration": answer.calibrated
        or not (settings.require_calibrated or settings.min_confidence > 0),
        "reason to be raw": bool(answer.raw_because) != answer.calibrated,
        "calibrator's name": answer.calibrated == bool(answer.calibrator),
        "identity": bool(answer.identity.model_revision and answer.identity.engine),
        "prompt tokens": answer.prompt_tokens > 0,
        "receipt": bool(answer.receipt) == settings.receipts,
        "number of permutations": len(answer.permutations)
        == count * (settings.reading.order_correction == reading_pb2.ORDER_CORRECTION_CYCLIC),
        "label prior": len(answer.label_prior)
        == count * (settings.reading.order_correction == reading_pb2.ORDER_CORRECTION_PRIOR),
        "number of top tokens": len(answer.top_tokens) == settings.top_tokens,
        "top tokens": _is_falling([token.logprob for token in answer.top_tokens]),
    }
    yield from (f"an answer's {fact} is wrong" for fact, holds in facts.items() if not holds)


def _of_options(answer: scoring_pb2.Answer, reading: reading_pb2.Reading) -> Iterator[str]:
    before = [option.probability for option in answer.options]
    after = [option.calibrated_probability for option in answer.options]
    pmi = reading.normalization == reading_pb2.NORMALIZATION_PMI
    facts = {
        "probabilities": _is_distribution(before),
        "calibrated probabilities": _is_distribution(after),
        "choice": after[answer.choice] == max(after),
        "answer set": not answer.answer_set or _is_a_set(list(answer.answer_set), after),
        "confidence": answer.confidence == before[answer.choice],
        "calibrated confidence": answer.calibrated_confidence == after[answer.choice],
        "calibration": answer.calibrated or before == after,
        "logprobs": all(option.logprob <= 0 for option in answer.options),
        "scores": all(option.score < math.inf for option in answer.options),
        "token counts": all(option.tokens > 0 for option in answer.options),
        "unconditional logprobs": all(
            option.HasField("unconditional_logprob") == pmi and option.unconditional_logprob <= 0
            for option in answer.options
        ),
    }
    yield from (f"an answer's {fact}: wrong" for fact, holds in facts.items() if not holds)


def _is_distribution(probabilities: list[float]) -> bool:
    # Written so that NaN fails.
    inside = all(0 <= each <= 1 for each in probabilities)
    return inside and abs(math.fsum(probabilities) - 1) <= _SUM_TOLERANCE


def _is_a_set(options: list[int], probabilities: list[float]) -> bool:
    """The likeliest options, the likeliest first."""
    inside = [probabilities[option] for option in options]
    return inside == sorted(probabilities, reverse=True)[: len(options)]


def _is_falling(logprobs: list[float]) -> bool:
    pairs = zip([0.0, *logprobs], logprobs, strict=False)
    return all(after <= before for before, after in pairs)


def _of_fit(events: tuple[calibration_pb2.FitCalibratorResponse, ...]) -> Iterator[str]:
    kinds = [event.WhichOneof("event") for event in events]
    if kinds != ["progress"] * (len(kinds) - 1) + ["calibrator"]:
        yield "a fit's events: not progress and then a calibrator"
        return
    done = [event.progress.done for event in events[:-1]]
    if done != sorted(done) or any(each.progress.done > each.progress.total for each in events):
        yield "a fit's progress goes back, or beyond its end"
    calibrator = events[-1].calibrator
    if calibrator.HasField("temperature") and not 1e-3 <= calibrator.temperature <= 1e3:
        yield "a fit's temperature: wrong"
    parameters = [value for each in calibrator.parameters.values() for value in each.values]
    if not parameters or not all(map(math.isfinite, parameters)):
        yield "a fit's parameters: none, or not finite"
    if not all(map(math.isfinite, calibrator.metrics.values())):
        yield "a fit's metrics: not finite"


def _of_evaluation(
    events: tuple[calibration_pb2.EvaluateCalibratorResponse, ...],
) -> Iterator[str]:
    kinds = [event.WhichOneof("event") for event in events]
    if kinds != ["progress"] * (len(kinds) - 1) + ["report"]:
        yield "an evaluation's events: not progress and then a report"
        return
    report = events[-1].report
    for side in (report.before, report.after):
        if not all(math.isfinite(each.value) for each in side.metrics.values()):
            yield "a report's metrics: not finite"
        if sum(each.count for each in side.equal_width) != report.items:
            yield "a report's bins do not hold every item once"
    for rule in report.abstentions:
        if rule.HasField("min_confidence") and rule.risk_upper_bound > rule.target_risk:
            yield "an abstention rule does not keep its risk"
    if not all(0 <= each.rule.threshold <= 1 for each in report.answer_sets):
        yield "an answer set's threshold is beyond [0, 1]"


def _of_check(
    events: tuple[calibration_pb2.CheckCalibratorResponse, ...],
    request: calibration_pb2.CheckCalibratorRequest,
) -> Iterator[str]:
    kinds = [event.WhichOneof("event") for event in events]
    if kinds != ["progress"] * (len(kinds) - 1) + ["check"]:
        yield "a check's events: not progress and then a check"
        return
    check = events[-1].check
    if not 0 <= check.disagreeing <= check.questions == len(request.questions.items):
        yield "a check's questions: wrong"
    if check.HasField("p_value") and not 0 <= check.p_value <= 1:
        yield "a check's p-value: no probability"


def _of_calibrate(response: calibration_pb2.CalibrateResponse) -> Iterator[str]:
    for outcome in response.outcomes:
        scores = outcome.scores
        after = list(scores.calibrated_probabilities)
        if outcome.HasField("scores") and not (
            _is_distribution(list(scores.probabilities))
            and _is_distribution(after)
            and after[scores.choice] == max(after) == scores.calibrated_confidence
        ):
            yield "calibrated scores: wrong"


def _of_list(
    response: calibration_pb2.ListCalibratorsResponse,
    request: calibration_pb2.ListCalibratorsRequest,
) -> Iterator[str]:
    found = response.calibrators
    if len(found) > (request.page_size or 50):
        yield "a page holds more than was asked for"
    if any(each.scope.model != request.model for each in found):
        yield "a page holds another model's calibrators"


def _of_outcomes(
    response: calibration_pb2.RecordOutcomesResponse,
    request: calibration_pb2.RecordOutcomesRequest,
) -> Iterator[str]:
    kept = response.recorded + response.corrected + response.unchanged
    if kept + len(response.errors) != len(request.outcomes):
        yield "not every outcome is told of once"
    places = [each.index for each in response.errors]
    if places != sorted({*places}) or not all(place < len(request.outcomes) for place in places):
        yield "errors of outcomes are not told in their order"
    for each in response.errors:
        code = code_pb2.Code.Name(each.error.code)
        for broken in _of_status(code, each.error, request):
            yield f"an outcome's {broken}"


def _of_drift(drift: calibration_pb2.Drift) -> Iterator[str]:
    if len(drift.tests) != len(calibration_pb2.SequentialTest.Kind.values()) - 1:
        yield "not one test a promise"
    for test in drift.tests:
        if not math.isfinite(test.log_evidence) or test.largest_log_evidence < test.log_evidence:
            yield "a test's evidence is wrong"
        if test.alarm != (test.alarm_at > 0) or (test.alarm and not drift.outcomes):
            yield "an alarm without its moment"
    for period in (drift.window, drift.since_first):
        if not 0 <= period.outcomes <= drift.outcomes or bool(period.outcomes) != bool(
            drift.outcomes
        ):
            yield "a period holds more outcomes than there are, or none"
