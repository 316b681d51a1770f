"""CalibrationService: fits, and what became of them."""

from collections.abc import AsyncIterator
from typing import Any

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import calibration_pb2_grpc
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.calibrate import calibrate
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.checks import Checks
from trueodds_service.flows.drift import drift
from trueodds_service.flows.evaluate import evaluate_calibrator
from trueodds_service.flows.evaluate_cascade import evaluate_cascade
from trueodds_service.flows.fit import fit
from trueodds_service.flows.fit_cascade import FitCascade, fit_cascade
from trueodds_service.flows.fit_data import Progress
from trueodds_service.flows.messages import message_work
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.rpc.calibration.alerts import alerts_message, parse_alerts_of
from trueodds_service.rpc.calibration.calibrate import calibrate_response, parse_calibrate
from trueodds_service.rpc.calibration.calibrators import calibrator_message, damaged_message
from trueodds_service.rpc.calibration.checks import check_message, parse_check
from trueodds_service.rpc.calibration.evaluations import parse_evaluation, report_message
from trueodds_service.rpc.calibration.fits import parse_fit
from trueodds_service.rpc.calibration.outcomes import (
    drift_message,
    parse_outcomes,
    parse_window,
    recorded_message,
)
from trueodds_service.rpc.calibration.parts import joined
from trueodds_service.rpc.names import parse_calibrator, parse_model
from trueodds_service.rpc.questions import parse_task
from trueodds_service.rpc.status import Context
from trueodds_service.store.calibrator import Calibrator

_DEFAULT_PAGE = 50
_MAX_PAGE = 1000


class CalibrationServicer(calibration_pb2_grpc.CalibrationServiceServicer):
    """Converts; the work is the flow's and the store's."""

    def __init__(
        self,
        catalog: Catalog,
        calibrators: Calibrators,
        outcomes: Outcomes,
        alerts: Alerts,
        checks: Checks,
        limits: Limits,
    ) -> None:
        self._catalog = catalog
        self._calibrators = calibrators
        self._outcomes = outcomes
        self._alerts = alerts
        self._checks = checks
        self._limits = limits

    async def FitCalibrator(
        self, request: pb.FitCalibratorRequest, context: Context
    ) -> AsyncIterator[pb.FitCalibratorResponse]:
        async for event in self._fit(request):
            yield pb.FitCalibratorResponse(**event)

    async def StreamFitCalibrator(
        self, request_iterator: AsyncIterator[pb.StreamFitCalibratorRequest], context: Context
    ) -> AsyncIterator[pb.StreamFitCalibratorResponse]:
        async with joined(request_iterator, self._limits) as request:
            async for event in self._fit(request):
                yield pb.StreamFitCalibratorResponse(**event)

    async def GetCalibrator(
        self, request: pb.GetCalibratorRequest, context: Context
    ) -> pb.GetCalibratorResponse:
        calibrator = await self._named(request.name)
        return pb.GetCalibratorResponse(calibrator=self._message(calibrator))

    async def ListCalibrators(
        self, request: pb.ListCalibratorsRequest, context: Context
    ) -> pb.ListCalibratorsResponse:
        name = parse_model(request.model, "model")
        model = self._catalog.cascade(name) or self._catalog.find(name)
        page = await self._calibrators.ask(
            self._calibrators.store.list,
            model.name,
            task=parse_task(request.task, "task") if request.HasField("task") else None,
            page_size=_page_size(request.page_size),
            page_token=request.page_token,
        )
        return pb.ListCalibratorsResponse(
            calibrators=[self._message(calibrator) for calibrator in page.calibrators],
            next_page_token=page.next_page_token,
            damaged=[
                damaged_message(each, active=self._calibrators.is_active(each))
                for each in page.damaged
            ],
        )

    async def ActivateCalibrator(
        self, request: pb.ActivateCalibratorRequest, context: Context
    ) -> pb.ActivateCalibratorResponse:
        calibrator = await self._named(request.name)
        await self._calibrators.activate(calibrator, force=request.force)
        return pb.ActivateCalibratorResponse(calibrator=self._message(calibrator))

    async def RollbackCalibrator(
        self, request: pb.RollbackCalibratorRequest, context: Context
    ) -> pb.RollbackCalibratorResponse:
        calibrator = await self._calibrators.find(*parse_calibrator(request.name, "name"))
        previous = await self._calibrators.rollback(calibrator)
        if previous is None:
            return pb.RollbackCalibratorResponse()
        return pb.RollbackCalibratorResponse(calibrator=self._message(previous))

    async def EvaluateCalibrator(
        self, request: pb.EvaluateCalibratorRequest, context: Context
    ) -> AsyncIterator[pb.EvaluateCalibratorResponse]:
        async for event in self._evaluate(request):
            yield pb.EvaluateCalibratorResponse(**event)

    async def StreamEvaluateCalibrator(
        self, request_iterator: AsyncIterator[pb.StreamEvaluateCalibratorRequest], context: Context
    ) -> AsyncIterator[pb.StreamEvaluateCalibratorResponse]:
        async with joined(request_iterator, self._limits) as request:
            async for event in self._evaluate(request):
                yield pb.StreamEvaluateCalibratorResponse(**event)

    async def Calibrate(
        self, request: pb.CalibrateRequest, context: Context
    ) -> pb.CalibrateResponse:
        query = parse_calibrate(request, self._limits)
        return calibrate_response(await calibrate(query, self._catalog, self._calibrators))

    async def DeleteCalibrator(
        self, request: pb.DeleteCalibratorRequest, context: Context
    ) -> pb.DeleteCalibratorResponse:
        named = parse_calibrator(request.name, "name")
        await self._calibrators.delete(await self._calibrators.find(*named))
        return pb.DeleteCalibratorResponse()

    async def RecordOutcomes(
        self, request: pb.RecordOutcomesRequest, context: Context
    ) -> pb.RecordOutcomesResponse:
        reported = parse_outcomes(request, self._limits.max_fit_items)
        return recorded_message(*await self._outcomes.record(reported))

    async def GetDrift(self, request: pb.GetDriftRequest, context: Context) -> pb.GetDriftResponse:
        window = parse_window(request.window)
        found = await drift(
            *self._watched(request), window, self._calibrators, self._outcomes, self._checks
        )
        message = drift_message(found, self._message(found.calibrator))
        return pb.GetDriftResponse(drift=message)

    async def CheckCalibrator(
        self, request: pb.CheckCalibratorRequest, context: Context
    ) -> AsyncIterator[pb.CheckCalibratorResponse]:
        query = await message_work(parse_check, request, self._limits)
        async for event in self._checks.check(query):
            if isinstance(event, Progress):
                progress = pb.FitProgress(done=event.done, total=event.total)
                yield pb.CheckCalibratorResponse(progress=progress)
            else:
                yield pb.CheckCalibratorResponse(check=check_message(event, query.model))

    def _watched(self, request: pb.GetDriftRequest) -> tuple[str, str]:
        """A calibrator's model and id: of the one that is named, or that answers for a task."""
        if request.name:
            if request.model or request.task:
                raise InvalidInput("name", "names a calibrator: leave out model and task")
            return parse_calibrator(request.name, "name")
        asked = parse_model(request.model, "model")
        model = self._catalog.cascade(asked) or self._catalog.find(asked)
        scope = model.scope(parse_task(request.task, "task"), "", 0)
        return model.name, self._calibrators.only_active(scope)

    async def ListAlerts(
        self, request: pb.ListAlertsRequest, context: Context
    ) -> pb.ListAlertsResponse:
        model = self._catalog.find(parse_model(request.model, "model"))
        calibrator = parse_alerts_of(request, model.name)
        if calibrator is not None:
            await self._calibrators.find(model.name, calibrator)
        page = await self._alerts.page(
            model.name,
            calibrator,
            page_size=_page_size(request.page_size),
            page_token=request.page_token,
        )
        return alerts_message(page)

    async def _fit(self, request: pb.FitCalibratorRequest) -> AsyncIterator[dict[str, Any]]:
        """The events of a fit, as fields of either response."""
        query = await message_work(parse_fit, request, self._limits)
        events = (
            fit_cascade(query, self._catalog, self._calibrators)
            if isinstance(query, FitCascade)
            else fit(query, self._catalog, self._calibrators)
        )
        async for event in events:
            if isinstance(event, Progress):
                yield {"progress": pb.FitProgress(done=event.done, total=event.total)}
            else:
                yield {"calibrator": self._message(event)}

    async def _evaluate(
        self, request: pb.EvaluateCalibratorRequest
    ) -> AsyncIterator[dict[str, Any]]:
        """The events of an evaluation, as fields of either response."""
        query = await message_work(parse_evaluation, request, self._limits)
        cascade = self._catalog.cascade(query.model)
        events = (
            evaluate_calibrator(query, self._catalog, self._calibrators)
            if cascade is None
            else evaluate_cascade(query, cascade, self._calibrators)
        )
        async for event in events:
            if isinstance(event, Progress):
                yield {"progress": pb.FitProgress(done=event.done, total=event.total)}
            else:
                yield {"report": report_message(event, self._message(event.calibrator))}

    async def _named(self, name: str) -> Calibrator:
        model, calibrator_id = parse_calibrator(name, "name")
        return await self._calibrators.get(model, calibrator_id)

    def _message(self, calibrator: Calibrator) -> pb.Calibrator:
        return calibrator_message(calibrator, active=self._calibrators.is_active(calibrator))


def _page_size(asked: int) -> int:
    if asked < 0:
        raise InvalidInput("page_size", "is below 0")
    return min(asked or _DEFAULT_PAGE, _MAX_PAGE)
