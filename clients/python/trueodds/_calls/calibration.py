"""Calls of CalibrationService for questions and scores."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from typing_extensions import Unpack

from trueodds import errors
from trueodds._calls.outcomes import OutcomeCalls
from trueodds._channel import BATCH, FIT_TIMEOUT
from trueodds._convert import evaluations as _reports
from trueodds._convert import fits as _fits
from trueodds._convert.outcomes import check_message, check_of
from trueodds._convert.parts import evaluation_events, fit_events
from trueodds._transport.base import Stubs
from trueodds.calibrator import Calibrator
from trueodds.drift import TeacherCheck
from trueodds.evaluation import Report
from trueodds.options import (
    CHECK,
    EVALUATE,
    FIT,
    AnyReading,
    CheckOptions,
    EvaluateOptions,
    FitOptions,
    Progress,
    spelled_out,
)
from trueodds.question import Example, Question
from trueodds.scores import CalibratedScores, Scores


class CalibrationCalls(OutcomeCalls):
    """Fits, evaluations, and calibrators applied to scores."""

    @spelled_out(FitOptions, FIT)
    async def fit(
        self,
        items: Iterable[Example | Question | Scores] = (),
        *,
        model: str,
        task: str = "",
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[FitOptions],
    ) -> Calibrator:
        """Fits a calibrator for a model and task, and stores it; see ``Client.fit``."""
        request = _fits.fit_message(items, model, task, **options)
        event = await self._last(
            lambda on, left: fit_events(on.calibration, request, left), timeout, progress
        )
        if event is None:
            raise errors.ServiceFailed("the fit ended without a calibrator")
        return _fits.fitted_of(event.calibrator, activate=request.activate)

    @spelled_out(EvaluateOptions, EVALUATE)
    async def evaluate(
        self,
        name: str,
        items: Iterable[Example | Scores],
        *,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[EvaluateOptions],
    ) -> Report:
        """Measures a calibrator on examples, which need their answers; see ``Client.evaluate``."""
        named, left = await self._named_within(name, timeout)
        request = _reports.evaluate_message(named, items, **options)
        event = await self._last(
            lambda on, left: evaluation_events(on.calibration, request, left), left, progress
        )
        if event is None:
            raise errors.ServiceFailed("the evaluation ended without a report")
        return _reports.report_of(event.report)

    @spelled_out(CheckOptions, CHECK)
    async def check(
        self,
        name: str,
        questions: Iterable[Question | Example],
        *,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[CheckOptions],
    ) -> TeacherCheck:
        """Looks at a calibrator through fresh questions; see ``Client.check``."""
        named, left = await self._named_within(name, timeout)
        request = check_message(named, questions, **options)
        event = await self._last(
            lambda on, left: on.calibration.CheckCalibrator(request, timeout=left), left, progress
        )
        if event is None:
            raise errors.ServiceFailed("the check ended without what it found")
        return check_of(event.check)

    async def calibrate(
        self,
        rows: Iterable[Sequence[float] | Scores],
        *,
        name: str = "",
        model: str = "",
        task: str = "",
        reading: AnyReading | None = None,
        probability_step: float = 0.0,
        allow_probabilities: bool = False,
        timeout: float | None = None,
    ) -> list[CalibratedScores | errors.TrueoddsError]:
        """Applies a calibrator to rows of scores that you have; see ``Client.calibrate``."""
        name = await self._named(name, model, timeout)
        rows = list(rows)
        size = await self._rows_size(name, model, timeout) if len(rows) > 1 else 1
        outcomes: list[CalibratedScores | errors.TrueoddsError] = []
        for request in _fits.calibrate_messages(
            name, model, task, reading, rows, probability_step, allow_probabilities, size
        ):
            response = await self._ask(lambda on: on.calibration.Calibrate, request, timeout)
            outcomes += _fits.calibrated_of(response, len(outcomes))
        return outcomes

    async def _last(
        self, begin: Callable[[Stubs, float], Any], timeout: float, progress: Progress | None
    ) -> Any:
        """The event in which a call ends, once the progress before it is told."""

        def is_last(event: Any) -> bool:
            if event.HasField("progress"):
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
                return False
            return True

        return await self._repeated(
            lambda left, _: self._transport.follow(lambda on: begin(on, left), is_last), timeout
        )

    async def _named_within(self, name: str, timeout: float) -> tuple[str, float]:
        """The whole name of a calibrator, and the seconds that are left of a call's timeout: it
        bounds the look for a short name as well.
        """
        ends = time.monotonic() + timeout
        named = await self._named(name, "", min(timeout, self._timeout))
        return named, ends - time.monotonic()

    async def _rows_size(self, name: str, model: str, timeout: float | None) -> int:
        """How many rows a message may hold; a calibrator may be of a model that is not served."""
        try:
            return await self._batch_size(name.rpartition("/calibrators/")[0] or model, timeout)
        except (errors.NotFound, errors.InvalidRequest):
            return BATCH
