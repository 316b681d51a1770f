"""The path of an alert to the operator's webhook: claimed → posted → marked, at least once."""

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta

from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.promises import Promise
from trueodds_service.store.alerts import Alert

_log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
# Longer than a post may take: a gateway that has not marked it by then has died.
_LEASE = timedelta(seconds=60)
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(hours=1)
# The pauses together are about half a day.
_MOST_ATTEMPTS = 20

Post = Callable[[str, bytes], Awaitable[str]]
"""Sends a message by its id; what went wrong, empty where it was taken."""


class Deliveries:
    """Tells the webhook of alerts; every gateway does, and each alert is claimed by one."""

    def __init__(self, alerts: Alerts, post: Post) -> None:
        self._alerts, self._post = alerts, post

    async def deliver(self) -> None:
        """Tells all that are due. Raises a ServiceError while the store is away."""
        store = self._alerts.store
        while (claimed := await self._alerts.ask(store.claim_delivery, _LEASE)) is not None:
            alert, attempt = claimed
            fault = await self._post(alert.id, body(alert))
            if not fault:
                await self._alerts.ask(store.delivered, alert.id)
                continue
            again = _pause(attempt) if attempt < _MOST_ATTEMPTS else None
            _report(alert, attempt, fault, again)
            await self._alerts.ask(store.not_delivered, alert.id, fault, again)


def body(alert: Alert) -> bytes:
    """The same bytes for the same alert: numbers, and names that somebody has given."""
    scope, promise = alert.scope, Promise(alert.test)
    time = alert.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    content = {
        "type": "calibrator.alert",
        "timestamp": time.replace("+00:00", "Z"),
        "data": {
            "id": alert.id,
            "calibrator": alert.calibrator_name,
            "tenant": scope.tenant,
            "scope": {
                "model": f"models/{scope.model}",
                "model_revision": scope.revision,
                "task": scope.task,
                "reading": scope.reading,
                "format_version": scope.format_version,
                "options": scope.options,
            },
            "test": alert.test,
            "promise_broken": promise.is_broken,
            "alpha": alert.alpha,
            "log_evidence": alert.log_evidence,
            "outcomes": alert.outcomes,
            "expected": alert.expected,
            "observed": alert.observed,
        },
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _pause(attempt: int) -> timedelta:
    """After the first attempt, the second, and so on: twice as long each time."""
    return min(_FIRST_PAUSE * (1 << (attempt - 1)), _LONGEST_PAUSE)


def _report(alert: Alert, attempt: int, fault: str, again: timedelta | None) -> None:
    fields = {"alert": alert.id, "attempt": attempt, "fault": fault}
    if again is not None:
        _log.warning("an alert was not delivered", extra={"fields": fields})
    else:
        _log.error("an alert is not delivered: given up", extra={"fields": fields})
