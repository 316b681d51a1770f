"""Calls of CalibrationService for what became of answers."""

from collections.abc import AsyncIterator, Iterable

from trueodds._calls.calibrators import CalibratorCalls
from trueodds._convert.models import model_name
from trueodds._convert.outcomes import (
    alerts_of,
    checked_window,
    drift_of,
    outcome_messages,
    recorded_of,
)
from trueodds.drift import Alert, Drift, Outcome, RecordedOutcomes
from trueodds.v1 import calibration_pb2


class OutcomeCalls(CalibratorCalls):
    """Outcomes, and whether calibrators keep their promise."""

    async def record_outcomes(
        self, outcomes: Iterable[Outcome], *, timeout: float | None = None
    ) -> RecordedOutcomes:
        """Tells which options were right; see ``Client.record_outcomes``."""
        return recorded_of(
            [
                await self._ask(lambda on: on.calibration.RecordOutcomes, request, timeout)
                for request in outcome_messages(list(outcomes))
            ]
        )

    async def drift(
        self,
        name: str = "",
        *,
        model: str = "",
        task: str = "",
        window: int | None = None,
        timeout: float | None = None,
    ) -> Drift:
        """Whether a calibrator keeps its promise; see ``Client.drift``."""
        request = calibration_pb2.GetDriftRequest(
            name=await self._named(name, "", timeout) if name else "",
            model=model_name(model) if model else "",
            task=task,
            window=0 if window is None else checked_window(window),
        )
        response = await self._ask(lambda on: on.calibration.GetDrift, request, timeout)
        return drift_of(response.drift)

    async def alerts(
        self, model: str, *, calibrator: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[Alert]:
        """What no longer holds, the newest first; see ``Client.alerts``."""
        request = calibration_pb2.ListAlertsRequest(
            model=model_name(model),
            calibrator=await self._named(calibrator, model, timeout) if calibrator else "",
        )
        while True:
            page = await self._ask(lambda on: on.calibration.ListAlerts, request, timeout)
            for alert in alerts_of(page):
                yield alert
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
