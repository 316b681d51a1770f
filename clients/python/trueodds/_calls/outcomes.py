"""Calls of CalibrationService for what became of answers."""

from collections.abc import Iterable

from trueodds._calls.calibrators import CalibratorCalls
from trueodds._convert.outcomes import drift_of, outcome_messages, recorded_of
from trueodds.drift import Drift, Outcome, RecordedOutcomes
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
        self, name: str, *, window: int | None = None, timeout: float | None = None
    ) -> Drift:
        """Whether a calibrator keeps its promise; see ``Client.drift``."""
        request = calibration_pb2.GetDriftRequest(
            name=await self._named(name, "", timeout), window=window or 0
        )
        response = await self._ask(lambda on: on.calibration.GetDrift, request, timeout)
        return drift_of(response.drift)
