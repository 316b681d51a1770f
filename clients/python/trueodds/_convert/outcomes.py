"""Python ↔ messages of outcomes, drift and alerts."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timezone

from typing_extensions import Unpack

from trueodds import errors
from trueodds._convert.calibrators import calibrator_of
from trueodds._convert.enums import known
from trueodds._convert.evaluations import estimates_of, evaluation_of
from trueodds._convert.models import model_name
from trueodds._convert.questions import question_message, reading_message, shot_message
from trueodds._numbers import whole
from trueodds.drift import (
    Alert,
    AlertDelivery,
    DeliveryState,
    Drift,
    Outcome,
    Period,
    Promise,
    Proposal,
    RecordedOutcomes,
    SequentialTest,
    TeacherCheck,
)
from trueodds.options import CHECK, CheckOptions, completed
from trueodds.question import Example, Question
from trueodds.v1 import calibration_pb2

# Outcomes of a message, some hundred bytes each.
_A_MESSAGE = 2000

_PROMISES = {
    calibration_pb2.SequentialTest.Kind.Value(f"KIND_{each.name}"): each for each in Promise
}
_STATES = {
    calibration_pb2.AlertDelivery.State.Value(f"STATE_{each.name}"): each for each in DeliveryState
}


def outcome_messages(
    outcomes: Sequence[Outcome],
) -> Iterator[calibration_pb2.RecordOutcomesRequest]:
    """The outcomes in messages of at most ``_A_MESSAGE``; no message where there are none."""
    for first in range(0, len(outcomes), _A_MESSAGE):
        yield calibration_pb2.RecordOutcomesRequest(
            outcomes=[_outcome_message(each) for each in outcomes[first : first + _A_MESSAGE]]
        )


def _outcome_message(outcome: Outcome) -> calibration_pb2.ReportedOutcome:
    if isinstance(outcome.answer, str):
        return calibration_pb2.ReportedOutcome(answer_id=outcome.answer, option=outcome.option)
    return calibration_pb2.ReportedOutcome(receipt=outcome.answer, option=outcome.option)


def recorded_of(responses: Sequence[calibration_pb2.RecordOutcomesResponse]) -> RecordedOutcomes:
    """What became of all, from what became of each message's."""
    told = [
        (error.index + place * _A_MESSAGE, error.error)
        for place, response in enumerate(responses)
        for error in response.errors
    ]
    return RecordedOutcomes(
        recorded=sum(each.recorded for each in responses),
        corrected=sum(each.corrected for each in responses),
        unchanged=sum(each.unchanged for each in responses),
        errors=tuple(
            (index, errors.from_status(status, index=index, within="outcomes"))
            for index, status in told
        ),
    )


def checked_window(window: int) -> int:
    """Raises InvalidRequest at none, which the contract takes for what is meant unless told."""
    checked = whole(window, "window")
    if checked < 1:
        raise errors.InvalidRequest("window: has at least one outcome", field="window")
    return checked


def drift_of(message: calibration_pb2.Drift) -> Drift:
    return Drift(
        calibrator=calibrator_of(message.calibrator),
        outcomes=message.outcomes,
        unknown=message.unknown,
        since_first=_period_of(message.since_first) if message.HasField("since_first") else None,
        window=_period_of(message.window) if message.HasField("window") else None,
        # A later service may test what this client does not know.
        tests=tuple(_test_of(each) for each in message.tests if each.kind in _PROMISES),
        checks=tuple(check_of(each) for each in message.checks),
    )


def check_message(
    name: str, questions: Iterable[Question | Example], **options: Unpack[CheckOptions]
) -> calibration_pb2.CheckCalibratorRequest:
    told = completed(options, CHECK)
    teacher, teacher_reading = told["teacher"], told["teacher_reading"]
    asked = [each.question if isinstance(each, Example) else each for each in questions]
    return calibration_pb2.CheckCalibratorRequest(
        name=name,
        questions=calibration_pb2.FitQuestions(
            items=[calibration_pb2.FitQuestion(question=question_message(each)) for each in asked],
            shots=map(shot_message, told["shots"]),
            teacher_shots=map(shot_message, told["teacher_shots"]),
        ),
        reading=reading_message(told["reading"]),
        teacher_reading=None if teacher_reading is None else reading_message(teacher_reading),
        teacher=model_name(teacher) if teacher else "",
        propose=told["propose"],
    )


def check_of(message: calibration_pb2.TeacherCheck) -> TeacherCheck:
    return TeacherCheck(
        created=message.create_time.ToDatetime(timezone.utc),
        teacher=message.teacher,
        questions=message.questions,
        disagreeing=message.disagreeing,
        fit_questions=message.fit_questions,
        fit_disagreeing=message.fit_disagreeing,
        p_value=message.p_value if message.HasField("p_value") else None,
        proposal=_proposal_of(message.proposal) if message.HasField("proposal") else None,
    )


def alerts_of(page: calibration_pb2.ListAlertsResponse) -> Iterator[Alert]:
    """The alerts of a page whose tests this client knows."""
    for each in page.alerts:
        if each.test in _PROMISES:
            yield Alert(
                id=each.id,
                calibrator=each.calibrator,
                task=each.scope.task,
                promise=_PROMISES[each.test],
                alpha=each.alpha,
                log_evidence=each.log_evidence,
                outcomes=each.outcomes,
                expected=each.expected,
                observed=each.observed,
                created=each.create_time.ToDatetime(timezone.utc),
                delivery=_delivery_of(each.delivery),
                proposal=_proposal_of(each.proposal) if each.HasField("proposal") else None,
            )


def _delivery_of(message: calibration_pb2.AlertDelivery) -> AlertDelivery:
    done = message.deliver_time if message.HasField("deliver_time") else None
    return AlertDelivery(
        state=known(_STATES, message.state, "state of a delivery"),
        attempts=message.attempts,
        delivered=None if done is None else done.ToDatetime(timezone.utc),
        fault=message.fault,
    )


def _proposal_of(message: calibration_pb2.Proposal) -> Proposal:
    return Proposal(
        calibrator=message.calibrator or None,
        note=message.note,
        waiting=message.waiting,
        fitted=message.fitted,
        held_out=message.held_out,
        differences=estimates_of(message.differences),
        activated=message.activated,
    )


def _period_of(message: calibration_pb2.DriftPeriod) -> Period:
    return Period(
        outcomes=message.outcomes,
        start=message.start_time.ToDatetime(timezone.utc),
        end=message.end_time.ToDatetime(timezone.utc),
        before=evaluation_of(message.before),
        after=evaluation_of(message.after),
    )


def _test_of(message: calibration_pb2.SequentialTest) -> SequentialTest:
    return SequentialTest(
        promise=_PROMISES[message.kind],
        alpha=message.alpha,
        log_evidence=message.log_evidence,
        largest_log_evidence=message.largest_log_evidence,
        alarm_at=message.alarm_at if message.alarm else None,
    )
