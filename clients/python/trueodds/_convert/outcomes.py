"""Python ↔ messages of outcomes and drift."""

from collections.abc import Iterator, Sequence
from datetime import timezone

from trueodds import errors
from trueodds._convert.calibrators import calibrator_of
from trueodds._convert.evaluations import evaluation_of
from trueodds.drift import Drift, Outcome, Period, Promise, RecordedOutcomes, SequentialTest
from trueodds.v1 import calibration_pb2

# Of some hundred bytes each.
_A_MESSAGE = 2000

_PROMISES = {
    calibration_pb2.SequentialTest.Kind.Value(f"KIND_{each.name}"): each for each in Promise
}


def outcome_messages(
    outcomes: Sequence[Outcome],
) -> Iterator[calibration_pb2.RecordOutcomesRequest]:
    """The outcomes in messages of so many; none where there are none."""
    for first in range(0, len(outcomes), _A_MESSAGE):
        yield calibration_pb2.RecordOutcomesRequest(
            outcomes=[
                calibration_pb2.ReportedOutcome(receipt=each.receipt, option=each.option)
                for each in outcomes[first : first + _A_MESSAGE]
            ]
        )


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


def drift_of(message: calibration_pb2.Drift) -> Drift:
    return Drift(
        calibrator=calibrator_of(message.calibrator),
        outcomes=message.outcomes,
        unknown=message.unknown,
        since_first=_period_of(message.since_first) if message.HasField("since_first") else None,
        window=_period_of(message.window) if message.HasField("window") else None,
        # A later service may test what this client does not know.
        tests=tuple(_test_of(each) for each in message.tests if each.kind in _PROMISES),
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
