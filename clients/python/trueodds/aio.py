"""The asyncio client: the methods of ``Client``, awaited."""

# A timeout is the server's to know as well.
# ruff: noqa: ASYNC109

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Self

import grpc

from trueodds import errors
from trueodds._address import proxy_before, server_address
from trueodds._channel import (
    ATTEMPT_TIMEOUT,
    BATCH,
    FIT_TIMEOUT,
    PATIENCE,
    RETRIES,
    STREAM_WINDOW,
    TIMEOUT,
    WINDOW,
    channel_options,
)
from trueodds._convert import evaluations as _reports
from trueodds._convert import fits as _fits
from trueodds._convert import scoring as _messages
from trueodds._convert.parts import evaluation_events, fit_events
from trueodds._stream.batches import Batches
from trueodds._stream.pace import Pace
from trueodds._stream.tasks import stream_batches
from trueodds.client import Key, OnOutcome, Progress, Request, Response
from trueodds.evaluation import Report
from trueodds.types import (
    Answer,
    AnswerSetRule,
    BiasCorrection,
    CalibratedScores,
    Calibrator,
    Chat,
    CustomFormat,
    Example,
    Format,
    Method,
    Model,
    Question,
    Reading,
    Scores,
    Text,
    TokenIds,
)
from trueodds.v1 import (
    calibration_pb2,
    calibration_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)


class AsyncClient:
    """A connection to a trueodds server, for the event loop of its first call.

    It may be made before there is a loop. Use it in ``async with``. Arguments, results and
    errors are those of ``Client``. Cancelling a call cancels the work.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        patience: float = PATIENCE,
    ) -> None:
        self.server = server_address(server)
        self._timeout = timeout
        self._patience = patience
        self._options = channel_options(self.server, retries)

    # A channel belongs to the loop in which it was made, so none is made before it is needed.

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.server, options=self._options)

    @cached_property
    def _scoring(self) -> "scoring_pb2_grpc.ScoringServiceAsyncStub":
        return scoring_pb2_grpc.ScoringServiceStub(self._channel)  # type: ignore[return-value]

    @cached_property
    def _calibration(self) -> "calibration_pb2_grpc.CalibrationServiceAsyncStub":
        return calibration_pb2_grpc.CalibrationServiceStub(self._channel)  # type: ignore[return-value]

    @cached_property
    def _models(self) -> "model_pb2_grpc.ModelServiceAsyncStub":
        return model_pb2_grpc.ModelServiceStub(self._channel)  # type: ignore[return-value]

    async def score(
        self,
        question: Question,
        *,
        model: str,
        task: str = "",
        reading: Reading | Format | CustomFormat = Format.PAREN,
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
        min_option_mass: float = 0.0,
        min_confidence: float = 0.0,
        answer_set: AnswerSetRule | None = None,
        require_calibrated: bool | None = None,
        top_tokens: int = 0,
        timeout: float | None = None,
    ) -> Answer:
        """Answers one question; see ``Client.score``."""
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            await self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        message = _messages.question_message(question)
        request = scoring_pb2.ScoreRequest(settings=settings, question=message)
        return _messages.answer_of((await self._ask(self._scoring.Score, request, timeout)).answer)

    async def score_batch(
        self,
        questions: Iterable[Question],
        *,
        model: str,
        task: str = "",
        reading: Reading | Format | CustomFormat = Format.PAREN,
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
        min_option_mass: float = 0.0,
        min_confidence: float = 0.0,
        answer_set: AnswerSetRule | None = None,
        require_calibrated: bool | None = None,
        top_tokens: int = 0,
        progress: Progress | None = None,
        on_outcome: OnOutcome | None = None,
        timeout: float | None = None,
    ) -> list[Answer | errors.TrueoddsError]:
        """Answers many questions of one task, in their order; see ``Client.score_batch``."""
        questions = list(questions)
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            await self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        size = await self._batch_size(model, timeout) if len(questions) > 1 else 1
        outcomes: list[Answer | errors.TrueoddsError] = []
        batches = Batches(
            _messages.batch_messages(settings, questions, size),
            lambda request: asyncio.create_task(
                self._ask(self._scoring.BatchScore, request, timeout)
            ),
            Pace(WINDOW, self._limit(timeout)),
        )
        try:
            while (call := batches.next()) is not None:
                try:
                    response = await call
                except errors.DeadlineExceeded as error:
                    batches.too_slow(error)
                    continue
                batches.answered()
                _messages.take(response, outcomes, len(questions), progress, on_outcome)
        finally:
            await asyncio.gather(*batches.cancel(), return_exceptions=True)
        return outcomes

    async def score_stream(
        self,
        questions: Iterable[Question] | AsyncIterable[Question],
        *,
        model: str,
        task: str = "",
        reading: Reading | Format | CustomFormat = Format.PAREN,
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
        min_option_mass: float = 0.0,
        min_confidence: float = 0.0,
        answer_set: AnswerSetRule | None = None,
        require_calibrated: bool | None = None,
        top_tokens: int = 0,
        ordered: bool = True,
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[int, Answer | errors.TrueoddsError]]:
        """Answers any number of questions, as a stream; see ``Client.score_stream``."""
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            await self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        batches = _batches(settings, questions, await self._batch_size(model, timeout))
        async for first, response in self.stream(batches, ordered=ordered, timeout=timeout):
            if response.HasField("error"):
                raise errors.from_status(response.error)
            for index, outcome in enumerate(_messages.outcomes_of(response, first), first):
                yield index, outcome

    def stream(
        self,
        batches: AsyncIterator[tuple[Key, scoring_pb2.StreamScoreRequest]],
        *,
        ordered: bool = True,
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[Key, scoring_pb2.StreamScoreResponse]]:
        """Messages of the contract, each with a key of yours; see ``Client.stream``."""
        return stream_batches(
            self._scoring,
            batches,
            server=self.server,
            window=STREAM_WINDOW,
            timeout=self._limit(timeout),
            patience=self._patience,
            ordered=ordered,
        )

    async def tokenize(
        self,
        prompts: Iterable[str | Text | TokenIds | Chat],
        *,
        model: str,
        timeout: float | None = None,
    ) -> list[tuple[int, ...]]:
        """The tokens of prompts as the model reads them, in their order."""
        tokens: list[tuple[int, ...]] = []
        size = await self._batch_size(model, timeout)
        for request in _messages.tokenize_messages(model, prompts, size):
            try:
                response = await self._ask(self._models.Tokenize, request, timeout)
            except errors.InvalidRequest as error:
                raise errors.counted_from(error, len(tokens)) from None
            tokens += [tuple(each.ids) for each in response.prompts]
        return tokens

    async def fit(
        self,
        items: Iterable[Example | Question | Scores] = (),
        *,
        model: str,
        task: str = "",
        method: Method = Method.TEACHER_KL,
        reading: Reading | Format | CustomFormat = Format.PAREN,
        shots: Sequence[Example] = (),
        teacher: str | None = None,
        temperature: float | None = None,
        options: int | None = None,
        teacher_reading: Reading | Format | CustomFormat | None = None,
        teacher_shots: Sequence[Example] = (),
        bias_correction: BiasCorrection = BiasCorrection.NONE,
        content_free: Sequence[Sequence[float]] = (),
        activate: bool = False,
        force: bool = False,
        any_options: bool = False,
        allow_probabilities: bool = False,
        request_id: str = "",
        validate_only: bool = False,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
    ) -> Calibrator:
        """Fits a calibrator for a model and task, and stores it; see ``Client.fit``."""
        request = _fits.fit_message(
            model,
            task,
            reading,
            method,
            teacher,
            temperature,
            items,
            shots,
            options,
            activate,
            force,
            any_options,
            allow_probabilities,
            teacher_reading,
            teacher_shots,
            bias_correction,
            content_free,
            request_id,
            validate_only,
        )
        with self._errors():
            async for event in fit_events(self._calibration, request, timeout):
                if event.HasField("calibrator"):
                    return _fits.fitted_of(event.calibrator, activate=activate)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the fit ended without a calibrator")

    async def evaluate(
        self,
        name: str,
        items: Iterable[Example | Scores],
        *,
        reading: Reading | Format | CustomFormat = Format.PAREN,
        shots: Sequence[Example] = (),
        target_risks: Sequence[float] = (),
        miscoverages: Sequence[float] = (),
        allow_probabilities: bool = False,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
    ) -> Report:
        """Measures a calibrator on examples, which need their answers; see ``Client.evaluate``."""
        request = _reports.evaluate_message(
            await self._named(name, "", None),
            items,
            reading,
            shots,
            target_risks,
            miscoverages,
            allow_probabilities,
        )
        with self._errors():
            async for event in evaluation_events(self._calibration, request, timeout):
                if event.HasField("report"):
                    return _reports.report_of(event.report)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the evaluation ended without a report")

    async def calibrate(
        self,
        rows: Iterable[Sequence[float]],
        *,
        name: str = "",
        model: str = "",
        task: str = "",
        reading: Reading | Format | CustomFormat | None = None,
        allow_probabilities: bool = False,
        timeout: float | None = None,
    ) -> list[CalibratedScores | errors.TrueoddsError]:
        """Applies a calibrator to rows of scores that you have; see ``Client.calibrate``."""
        name = await self._named(name, model, timeout)
        rows = list(rows)
        size = await self._rows_size(name, model, timeout) if len(rows) > 1 else 1
        requests = _fits.calibrate_messages(
            name, model, task, reading, rows, allow_probabilities, size
        )
        outcomes: list[CalibratedScores | errors.TrueoddsError] = []
        for request in requests:
            response = await self._ask(self._calibration.Calibrate, request, timeout)
            outcomes += _fits.calibrated_of(response, len(outcomes))
        return outcomes

    async def calibrators(
        self, model: str, *, task: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[Calibrator]:
        """A model's calibrators, the newest first; see ``Client.calibrators``."""
        async for page in self._pages(model, task, timeout):
            _fits.warn_of_damaged(page.damaged)
            for message in page.calibrators:
                yield _messages.calibrator_of(message)

    async def calibrator(self, name: str, *, timeout: float | None = None) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        request = calibration_pb2.GetCalibratorRequest(name=await self._named(name, "", timeout))
        response = await self._ask(self._calibration.GetCalibrator, request, timeout)
        return _messages.calibrator_of(response.calibrator)

    async def activate(
        self, name: str, *, force: bool = False, timeout: float | None = None
    ) -> Calibrator:
        """Makes a calibrator the one that answers in its scope; see ``Client.activate``."""
        request = calibration_pb2.ActivateCalibratorRequest(
            name=await self._named(name, "", timeout), force=force
        )
        response = await self._ask(self._calibration.ActivateCalibrator, request, timeout)
        return _messages.calibrator_of(response.calibrator)

    async def rollback(self, name: str, *, timeout: float | None = None) -> Calibrator | None:
        """Takes back the activation of a calibrator; see ``Client.rollback``."""
        request = calibration_pb2.RollbackCalibratorRequest(
            name=await self._named(name, "", timeout)
        )
        response = await self._ask(self._calibration.RollbackCalibrator, request, timeout)
        if not response.HasField("calibrator"):
            return None
        return _messages.calibrator_of(response.calibrator)

    async def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Deletes a calibrator; see ``Client.delete``."""
        request = calibration_pb2.DeleteCalibratorRequest(name=await self._named(name, "", timeout))
        await self._ask(self._calibration.DeleteCalibrator, request, timeout)

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        """The models that the server has."""
        return await self._list_models(self._limit(timeout))

    async def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, its revision and its limits."""
        request = model_pb2.GetModelRequest(name=_messages.model_name(name))
        return _messages.model_of((await self._ask(self._models.GetModel, request, timeout)).model)

    async def wait_until_ready(
        self, *, timeout: float = 300.0, model: str | None = None
    ) -> list[Model]:
        """Waits until every model is ready; see ``Client.wait_until_ready``."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                models = await self._list_models(max(left, ATTEMPT_TIMEOUT))
                if _messages.are_ready(models, model):
                    return models
            except errors.Unavailable:
                if left < 0:
                    raise
            if left < 0:
                raise errors.DeadlineExceeded(f"{self.server} was not ready in {timeout:g} s")
            await asyncio.sleep(0.25)

    async def close(self) -> None:
        """Closes the connection; calls under way fail."""
        if "_channel" in self.__dict__:
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

    async def _batch_size(self, model: str, timeout: float | None) -> int:
        return min(BATCH, (await self.model(model, timeout=timeout)).max_items)

    async def _rows_size(self, name: str, model: str, timeout: float | None) -> int:
        """How many rows a message may hold; a calibrator may be of a model that is not served."""
        try:
            return await self._batch_size(name.rpartition("/calibrators/")[0] or model, timeout)
        except (errors.NotFound, errors.InvalidRequest):
            return BATCH

    async def _list_models(self, timeout: float) -> list[Model]:
        request = model_pb2.ListModelsRequest()
        with self._errors():
            response = await self._models.ListModels(request, timeout=timeout)
        return [_messages.model_of(model) for model in response.models]

    async def _ask(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout: float | None,
    ) -> Response:
        with self._errors():
            return await method(request, timeout=self._limit(timeout))

    async def _pages(
        self, model: str, task: str | None, timeout: float | None
    ) -> AsyncIterator[calibration_pb2.ListCalibratorsResponse]:
        request = calibration_pb2.ListCalibratorsRequest(
            model=_messages.model_name(model), task=task
        )
        while True:
            page = await self._ask(self._calibration.ListCalibrators, request, timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _named(self, name: str, model: str, timeout: float | None) -> str:
        """The whole name of a calibrator, from that, from its id or from how its id begins."""
        model, start = _messages.calibrator_parts(name, model)
        if not start:
            return name
        models = [model] if model else [each.name for each in await self.models(timeout=timeout)]
        names = [
            each
            for one in models
            async for page in self._pages(one, None, timeout)
            for each in _messages.calibrator_names(page)
        ]
        return _messages.only_calibrator(start, names)

    def _limit(self, timeout: float | None) -> float:
        """The timeout of a call: its own, else the client's."""
        return self._timeout if timeout is None else timeout

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise errors.from_rpc(error, self.server, proxy_before(self.server)) from None


async def _batches(
    settings: scoring_pb2.ScoreSettings,
    questions: Iterable[Question] | AsyncIterable[Question],
    size: int,
) -> AsyncIterator[tuple[int, scoring_pb2.StreamScoreRequest]]:
    """Questions as messages, no further read than is needed."""
    source = aiter(questions if isinstance(questions, AsyncIterable) else _awaited(questions))
    first, ended = 0, False
    while not ended:
        chunk: list[Question] = []
        while len(chunk) < size and not ended:
            try:
                chunk.append(await anext(source))
            except StopAsyncIteration:
                ended = True
        for message in _messages.stream_messages(settings, first, chunk, size) if chunk else ():
            yield message
        first += len(chunk)


async def _awaited(questions: Iterable[Question]) -> AsyncIterator[Question]:
    for question in questions:
        yield question
