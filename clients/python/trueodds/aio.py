"""The asyncio client: the methods of ``Client``, awaited."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

import grpc

from trueodds import _messages, errors
from trueodds._channel import BATCH, OPTIONS, WINDOW, server_address
from trueodds.client import Progress
from trueodds.types import Answer, Calibrator, Example, Format, Method, Model, Question
from trueodds.v1 import (
    calibration_pb2,
    calibration_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)


class AsyncClient:
    """A connection to a trueodds server, for one event loop. Use it in ``async with``.

    Arguments, results and errors are those of ``Client``.
    """

    def __init__(self, server: str | None = None, *, timeout: float = 120.0) -> None:
        self.server = server_address(server)
        self._timeout = timeout
        self._channel = grpc.aio.insecure_channel(self.server, options=OPTIONS)
        self._scoring: scoring_pb2_grpc.ScoringServiceAsyncStub = (
            scoring_pb2_grpc.ScoringServiceStub(self._channel)  # type: ignore[assignment]
        )
        self._calibration: calibration_pb2_grpc.CalibrationServiceAsyncStub = (
            calibration_pb2_grpc.CalibrationServiceStub(self._channel)  # type: ignore[assignment]
        )
        self._models: model_pb2_grpc.ModelServiceAsyncStub = (
            model_pb2_grpc.ModelServiceStub(self._channel)  # type: ignore[assignment]
        )

    async def score(
        self,
        question: Question,
        *,
        model: str,
        task: str = "",
        format: Format = Format.PAREN,  # noqa: A002 (the contract's word)
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
    ) -> Answer:
        """Answers one question; see ``Client.score``."""
        request = scoring_pb2.ScoreRequest(
            settings=_messages.settings_message(model, task, format, shots, calibrator),
            question=_messages.question_message(question),
        )
        with self._errors():
            response = await self._scoring.Score(request, timeout=self._timeout)
        return _messages.answer_of(response.answer)

    async def score_batch(
        self,
        questions: Sequence[Question],
        *,
        model: str,
        task: str = "",
        format: Format = Format.PAREN,  # noqa: A002
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
        progress: Progress | None = None,
    ) -> list[Answer | errors.TrueoddsError]:
        """Answers many questions, in their order; see ``Client.score_batch``."""
        settings = _messages.settings_message(model, task, format, shots, calibrator)
        window = asyncio.Semaphore(WINDOW)
        done = 0

        async def batch(start: int) -> list[Answer | errors.TrueoddsError]:
            nonlocal done
            async with window:
                request = scoring_pb2.BatchScoreRequest(
                    settings=settings,
                    questions=[
                        _messages.question_message(question)
                        for question in questions[start : start + BATCH]
                    ],
                )
                with self._errors():
                    response = await self._scoring.BatchScore(request, timeout=self._timeout)
            done += len(request.questions)
            if progress is not None:
                progress(done, len(questions))
            return _messages.outcomes_of(response)

        calls = [asyncio.create_task(batch(at)) for at in range(0, len(questions), BATCH)]
        try:
            return [outcome for part in await asyncio.gather(*calls) for outcome in part]
        finally:
            for call in calls:
                call.cancel()

    async def fit(
        self,
        items: Sequence[Example | Question] = (),
        *,
        model: str,
        task: str = "",
        method: Method = Method.TEACHER_KL,
        format: Format = Format.PAREN,  # noqa: A002
        shots: Sequence[Example] = (),
        teacher: str | None = None,
        temperature: float | None = None,
        options: int | None = None,
        activate: bool = False,
        progress: Progress | None = None,
    ) -> Calibrator:
        """Fits a calibrator for a model and task, and stores it; see ``Client.fit``."""
        request = _messages.fit_message(
            model, task, format, method, teacher, temperature, items, shots, options, activate
        )
        with self._errors():
            async for event in self._calibration.FitCalibrator(request, timeout=self._timeout):
                if event.HasField("calibrator"):
                    return _messages.calibrator_of(event.calibrator)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the fit ended without a calibrator")

    async def calibrators(
        self, model: str, *, task: str | None = None
    ) -> AsyncIterator[Calibrator]:
        """A model's calibrators, the newest first; of one ``task``, or of all."""
        request = calibration_pb2.ListCalibratorsRequest(
            model=_messages.model_name(model), task=task
        )
        while True:
            with self._errors():
                page = await self._calibration.ListCalibrators(request, timeout=self._timeout)
            for message in page.calibrators:
                yield _messages.calibrator_of(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def calibrator(self, name: str) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        request = calibration_pb2.GetCalibratorRequest(name=name)
        with self._errors():
            response = await self._calibration.GetCalibrator(request, timeout=self._timeout)
        return _messages.calibrator_of(response.calibrator)

    async def activate(self, name: str) -> Calibrator:
        """Makes a calibrator the one that answers in its scope, within a second everywhere."""
        request = calibration_pb2.ActivateCalibratorRequest(name=name)
        with self._errors():
            response = await self._calibration.ActivateCalibrator(request, timeout=self._timeout)
        return _messages.calibrator_of(response.calibrator)

    async def rollback(self, name: str) -> Calibrator | None:
        """Takes back the activation of a calibrator; see ``Client.rollback``."""
        request = calibration_pb2.RollbackCalibratorRequest(name=name)
        with self._errors():
            response = await self._calibration.RollbackCalibrator(request, timeout=self._timeout)
        if not response.HasField("calibrator"):
            return None
        return _messages.calibrator_of(response.calibrator)

    async def models(self) -> list[Model]:
        """The models that the server has."""
        request = model_pb2.ListModelsRequest()
        with self._errors():
            response = await self._models.ListModels(request, timeout=self._timeout)
        return [_messages.model_of(model) for model in response.models]

    async def model(self, name: str) -> Model:
        """One model."""
        request = model_pb2.GetModelRequest(name=_messages.model_name(name))
        with self._errors():
            response = await self._models.GetModel(request, timeout=self._timeout)
        return _messages.model_of(response.model)

    async def wait_until_ready(self, *, timeout: float = 300.0) -> list[Model]:  # noqa: ASYNC109
        """Waits until the server answers and every model is ready; the models."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                models = await self.models()
                if all(model.ready for model in models):
                    return models
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise errors.DeadlineExceeded(f"{self.server} was not ready in {timeout:g} s")
            await asyncio.sleep(0.25)

    async def close(self) -> None:
        """Closes the connection; calls under way fail."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            # Every error of a call is a Call as well, which the stubs do not say.
            raise errors.from_rpc(cast(grpc.Call, error), self.server) from None
