"""Calls of CalibrationService for stored calibrators."""

from collections.abc import AsyncIterator, Sequence

from trueodds import errors
from trueodds._calls.models import ModelCalls
from trueodds._convert import calibrators as _calibrators
from trueodds._convert import fits as _fits
from trueodds._convert import models as _models
from trueodds.calibrator import Calibrator
from trueodds.v1 import calibration_pb2

# Of a server that was lost or ended before it answered, or whose store was.
_LOST = ("", "NO_SERVER", "STOPPING", "STORE_UNAVAILABLE")


class CalibratorCalls(ModelCalls):
    """Which calibrators there are, and which of them answer."""

    async def calibrators(
        self, model: str, *, task: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[Calibrator]:
        """A model's calibrators, the newest first; see ``Client.calibrators``."""
        async for page in self._pages(model, task, timeout):
            _fits.warn_of_damaged(page.damaged)
            for message in page.calibrators:
                yield _calibrators.calibrator_of(message)

    async def calibrator(self, name: str, *, timeout: float | None = None) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        request = calibration_pb2.GetCalibratorRequest(name=await self._named(name, "", timeout))
        response = await self._ask(lambda on: on.calibration.GetCalibrator, request, timeout)
        return _calibrators.calibrator_of(response.calibrator)

    async def activate(
        self, name: str, *, force: bool = False, timeout: float | None = None
    ) -> Calibrator:
        """Makes a calibrator the one that answers in its scope; see ``Client.activate``."""
        request = calibration_pb2.ActivateCalibratorRequest(
            name=await self._named(name, "", timeout), force=force
        )
        response = await self._ask(lambda on: on.calibration.ActivateCalibrator, request, timeout)
        return _calibrators.calibrator_of(response.calibrator)

    async def rollback(self, name: str, *, timeout: float | None = None) -> Calibrator | None:
        """Takes back the activation of a calibrator; see ``Client.rollback``."""
        request = calibration_pb2.RollbackCalibratorRequest(
            name=await self._named(name, "", timeout)
        )

        async def attempt(
            left: float, before: Sequence[errors.Unavailable]
        ) -> calibration_pb2.RollbackCalibratorResponse:
            try:
                return await self._transport.ask(
                    lambda on: on.calibration.RollbackCalibrator, request, left
                )
            except errors.FailedPrecondition as error:
                if error.reason != "CALIBRATOR_NOT_ACTIVE" or not _may_be_done(before):
                    raise
                raise errors.FailedPrecondition(
                    f"{error}; it may have been taken back already: an earlier try had no answer",
                    reason=error.reason,
                    request_id=error.request_id,
                ) from error

        response = await self._repeated(attempt, self._limit(timeout))
        if not response.HasField("calibrator"):
            return None
        return _calibrators.calibrator_of(response.calibrator)

    async def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Deletes a calibrator; see ``Client.delete``."""
        request = calibration_pb2.DeleteCalibratorRequest(name=await self._named(name, "", timeout))

        async def attempt(left: float, before: Sequence[errors.Unavailable]) -> None:
            try:
                await self._transport.ask(lambda on: on.calibration.DeleteCalibrator, request, left)
            except errors.NotFound as error:
                if error.reason != "CALIBRATOR_NOT_FOUND" or not _may_be_done(before):
                    raise

        await self._repeated(attempt, self._limit(timeout))

    async def _pages(
        self, model: str, task: str | None, timeout: float | None
    ) -> AsyncIterator[calibration_pb2.ListCalibratorsResponse]:
        request = calibration_pb2.ListCalibratorsRequest(model=_models.model_name(model), task=task)
        while True:
            page = await self._ask(lambda on: on.calibration.ListCalibrators, request, timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _named(self, name: str, model: str, timeout: float | None) -> str:
        """The whole name of a calibrator, from that, from its id or from how its id begins."""
        model, start = _calibrators.calibrator_parts(name, model)
        if not start:
            return name
        models = [model] if model else [each.name for each in await self.models(timeout=timeout)]
        names = [
            each
            for one in models
            async for page in self._pages(one, None, timeout)
            for each in _calibrators.calibrator_names(page)
        ]
        return _calibrators.only_calibrator(start, names)


def _may_be_done(before: Sequence[errors.Unavailable]) -> bool:
    """Whether a try may have done what it was asked for, though it failed: the server, or its
    store, was lost on the way. Of a server that could not be reached no more is known.
    """
    return any(each.reason in _LOST for each in before)
