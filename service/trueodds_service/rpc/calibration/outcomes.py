"""Outcomes and drift: messages in, messages out."""

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.drift import DEFAULT_WINDOW, MAX_PERIOD, Drift, Period
from trueodds_service.flows.promises import Promise
from trueodds_service.rpc.calibration.checks import check_message
from trueodds_service.rpc.calibration.evaluations import evaluation_message
from trueodds_service.rpc.status import to_status
from trueodds_service.rpc.timestamps import timestamp_message
from trueodds_service.store.outcomes import Recorded

KINDS = {each: pb.SequentialTest.Kind.Value(f"KIND_{each.name}") for each in Promise}


def parse_outcomes(
    request: pb.RecordOutcomesRequest, most: int
) -> list[tuple[bytes | str, int | None]]:
    """Receipts, or names of answers, and the options that were right. Raises InvalidInput."""
    count = len(request.outcomes)
    if not 1 <= count <= most:
        raise InvalidInput("outcomes", f"has {count} outcomes; from 1 to {most}")
    for place, each in enumerate(request.outcomes):
        if each.receipt and each.answer_id:
            raise InvalidInput(f"outcomes[{place}].answer_id", "does not go with a receipt")
    return [
        (each.answer_id or each.receipt, each.option if each.HasField("option") else None)
        for each in request.outcomes
    ]


def recorded_message(
    recorded: Recorded, errors: list[tuple[int, InvalidInput]]
) -> pb.RecordOutcomesResponse:
    return pb.RecordOutcomesResponse(
        recorded=recorded.new,
        corrected=recorded.corrected,
        unchanged=recorded.unchanged,
        errors=[pb.OutcomeError(index=place, error=to_status(error)) for place, error in errors],
    )


def parse_window(window: int) -> int:
    if not 0 <= window <= MAX_PERIOD:
        raise InvalidInput("window", f"has to be from 1 to {MAX_PERIOD}, or 0 for {DEFAULT_WINDOW}")
    return window or DEFAULT_WINDOW


def drift_message(drift: Drift, calibrator: pb.Calibrator) -> pb.Drift:
    """``calibrator`` is the drift's, as a message."""
    return pb.Drift(
        calibrator=calibrator,
        outcomes=drift.outcomes,
        unknown=drift.unknown,
        since_first=None if drift.since_first is None else _period(drift.since_first),
        window=None if drift.window is None else _period(drift.window),
        tests=[_test(promise, evidence) for promise, evidence in drift.tests.items()],
        checks=[check_message(each, drift.calibrator.scope.model) for each in drift.checks],
    )


def _period(period: Period) -> pb.DriftPeriod:
    return pb.DriftPeriod(
        outcomes=period.outcomes,
        start_time=timestamp_message(period.start),
        end_time=timestamp_message(period.end),
        before=evaluation_message(period.before),
        after=evaluation_message(period.after),
    )


def _test(promise: Promise, evidence: Evidence) -> pb.SequentialTest:
    return pb.SequentialTest(
        kind=KINDS[promise],
        alpha=evidence.alpha,
        log_evidence=evidence.log_wealth,
        largest_log_evidence=evidence.largest,
        alarm=evidence.alarm_at is not None,
        alarm_at=evidence.alarm_at or 0,
    )
