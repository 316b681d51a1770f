"""The blocking client."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

import grpc

from trueodds import _messages, errors
from trueodds._channel import BATCH, OPTIONS, WINDOW, server_address
from trueodds.types import Answer, Calibrator, Example, Format, Method, Model, Question
from trueodds.v1 import (
    calibration_pb2,
    calibration_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


class Client:
    """A connection to a trueodds server; thread-safe. Close it, or use it in ``with``.

    ``server`` is HOST:PORT; without it, the environment's TRUEODDS_SERVER, then
    localhost:50051. ``timeout`` bounds each call, in seconds. Every method raises a
    TrueoddsError; ``models/x`` and ``x`` name the same model.
    """

    def __init__(self, server: str | None = None, *, timeout: float = 120.0) -> None:
        self.server = server_address(server)
        self._timeout = timeout
        self._channel = grpc.insecure_channel(self.server, options=OPTIONS)
        self._scoring = scoring_pb2_grpc.ScoringServiceStub(self._channel)
        self._calibration = calibration_pb2_grpc.CalibrationServiceStub(self._channel)
        self._models = model_pb2_grpc.ModelServiceStub(self._channel)

    def score(
        self,
        question: Question,
        *,
        model: str,
        task: str = "",
        format: Format = Format.PAREN,  # noqa: A002 (the contract's word)
        shots: Sequence[Example] = (),
        calibrator: str | None = None,
    ) -> Answer:
        """Answers one question.

        ``task`` decides which calibrator applies, unless ``calibrator`` names one. ``shots``
        are worked examples, shown before the question.
        """
        request = scoring_pb2.ScoreRequest(
            settings=_messages.settings_message(model, task, format, shots, calibrator),
            question=_messages.question_message(question),
        )
        with self._errors():
            return _messages.answer_of(self._scoring.Score(request, timeout=self._timeout).answer)

    def score_batch(
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
        """Answers many questions, in their order.

        A question that cannot be answered has its error in its place, and does not fail the
        others. Any number of questions: they travel in several messages, some at once.
        """
        settings = _messages.settings_message(model, task, format, shots, calibrator)
        outcomes: list[Answer | errors.TrueoddsError] = []
        under_way: deque[grpc.Future[scoring_pb2.BatchScoreResponse]] = deque()

        def take_one() -> None:
            with self._errors():
                outcomes.extend(_messages.outcomes_of(under_way.popleft().result()))
            if progress is not None:
                progress(len(outcomes), len(questions))

        try:
            for start in range(0, len(questions), BATCH):
                if len(under_way) == WINDOW:
                    take_one()
                request = scoring_pb2.BatchScoreRequest(
                    settings=settings,
                    questions=[
                        _messages.question_message(question)
                        for question in questions[start : start + BATCH]
                    ],
                )
                under_way.append(self._scoring.BatchScore.future(request, timeout=self._timeout))
            while under_way:
                take_one()
        finally:
            for call in under_way:
                call.cancel()
        return outcomes

    def fit(
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
        """Fits a calibrator for a model and task, and stores it.

        TEACHER_KL needs a handful of questions, and a ``teacher`` unless the server's
        configuration names one; TEMPERATURE needs examples with answers; CONSTANT (with
        ``temperature``) and IDENTITY need only the number of ``options``.
        """
        request = _messages.fit_message(
            model, task, format, method, teacher, temperature, items, shots, options, activate
        )
        with self._errors():
            for event in self._calibration.FitCalibrator(request, timeout=self._timeout):
                if event.HasField("calibrator"):
                    return _messages.calibrator_of(event.calibrator)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the fit ended without a calibrator")

    def calibrators(self, model: str, *, task: str | None = None) -> Iterator[Calibrator]:
        """A model's calibrators, the newest first; of one ``task``, or of all."""
        request = calibration_pb2.ListCalibratorsRequest(
            model=_messages.model_name(model), task=task
        )
        while True:
            with self._errors():
                page = self._calibration.ListCalibrators(request, timeout=self._timeout)
            yield from map(_messages.calibrator_of, page.calibrators)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def calibrator(self, name: str) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        request = calibration_pb2.GetCalibratorRequest(name=name)
        with self._errors():
            response = self._calibration.GetCalibrator(request, timeout=self._timeout)
        return _messages.calibrator_of(response.calibrator)

    def activate(self, name: str) -> Calibrator:
        """Makes a calibrator the one that answers in its scope, within a second everywhere."""
        request = calibration_pb2.ActivateCalibratorRequest(name=name)
        with self._errors():
            response = self._calibration.ActivateCalibrator(request, timeout=self._timeout)
        return _messages.calibrator_of(response.calibrator)

    def rollback(self, name: str) -> Calibrator | None:
        """Takes back the activation of a calibrator, which has to be the active one.

        Returns the calibrator that answers now; None when none does.
        """
        request = calibration_pb2.RollbackCalibratorRequest(name=name)
        with self._errors():
            response = self._calibration.RollbackCalibrator(request, timeout=self._timeout)
        if not response.HasField("calibrator"):
            return None
        return _messages.calibrator_of(response.calibrator)

    def models(self) -> list[Model]:
        """The models that the server has."""
        with self._errors():
            response = self._models.ListModels(model_pb2.ListModelsRequest(), timeout=self._timeout)
        return [_messages.model_of(model) for model in response.models]

    def model(self, name: str) -> Model:
        """One model."""
        request = model_pb2.GetModelRequest(name=_messages.model_name(name))
        with self._errors():
            response = self._models.GetModel(request, timeout=self._timeout)
        return _messages.model_of(response.model)

    def wait_until_ready(self, *, timeout: float = 300.0) -> list[Model]:
        """Waits until the server answers and every model is ready; the models."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                models = self.models()
                if all(model.ready for model in models):
                    return models
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise errors.DeadlineExceeded(f"{self.server} was not ready in {timeout:g} s")
            time.sleep(0.25)

    def close(self) -> None:
        """Closes the connection; calls under way fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            # Every error of a call is a Call as well, which the stubs do not say.
            raise errors.from_rpc(cast(grpc.Call, error), self.server) from None
