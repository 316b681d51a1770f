"""ListAlertsRequest → what is asked for, and alerts → messages."""

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.flows.promises import Promise
from trueodds_service.rpc.calibration.calibrators import scope_message
from trueodds_service.rpc.calibration.outcomes import KINDS
from trueodds_service.rpc.calibration.proposals import proposal_message
from trueodds_service.rpc.names import parse_calibrator_of
from trueodds_service.rpc.timestamps import timestamp_message
from trueodds_service.store.alerts import AlertPage, Delivery, Told


def parse_alerts_of(request: pb.ListAlertsRequest, model: str) -> str | None:
    """The id of the calibrator whose alerts are wanted; None for all of the model's."""
    if not request.calibrator:
        return None
    return parse_calibrator_of(model, request.calibrator, "calibrator")


def alerts_message(page: AlertPage) -> pb.ListAlertsResponse:
    return pb.ListAlertsResponse(
        alerts=[_alert(each) for each in page.alerts], next_page_token=page.next_page_token
    )


def _alert(told: Told) -> pb.Alert:
    alert = told.alert
    return pb.Alert(
        id=alert.id,
        calibrator=alert.calibrator_name,
        scope=scope_message(alert.scope),
        test=KINDS[Promise(alert.test)],
        alpha=alert.alpha,
        log_evidence=alert.log_evidence,
        outcomes=alert.outcomes,
        expected=alert.expected,
        observed=alert.observed,
        create_time=timestamp_message(alert.created_at),
        delivery=_delivery(told.delivery),
        proposal=None
        if told.proposal is None
        else proposal_message(told.proposal, alert.scope.model),
    )


def _delivery(delivery: Delivery) -> pb.AlertDelivery:
    done = delivery.delivered_at
    return pb.AlertDelivery(
        state=_state(delivery),
        attempts=delivery.attempts,
        deliver_time=None if done is None else timestamp_message(done),
        fault=delivery.fault,
    )


def _state(delivery: Delivery) -> pb.AlertDelivery.State.ValueType:
    if delivery.delivered_at is not None:
        return pb.AlertDelivery.STATE_DELIVERED
    if delivery.try_at is not None:
        return pb.AlertDelivery.STATE_WAITING
    return pb.AlertDelivery.STATE_GIVEN_UP if delivery.attempts else pb.AlertDelivery.STATE_NONE
