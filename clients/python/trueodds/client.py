"""The blocking client."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

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
from trueodds._stream.threads import stream_batches
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

Request = TypeVar("Request")
Response = TypeVar("Response")
Key = TypeVar("Key")

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

OnOutcome = Callable[[int, Answer | errors.TrueoddsError], None]
"""Called with the index of a question and its outcome, as soon as it is there."""


class Client:
    """A connection to a trueodds server; thread-safe. Close it, or use it in ``with``.

    ``server`` is HOST:PORT; without it, the environment's TRUEODDS_SERVER, then
    localhost:50051; an IPv6 address stands in brackets. ``timeout`` bounds each message's round
    trip, in seconds, where a call has no ``timeout`` of its own; a batch may need several messages.

    A call that finds the server Unavailable is sent again ``retries`` times, from 0 to 4, with
    pauses from 0.2 to 2 seconds and within its timeout; nothing else is. Streams do not count:
    they wait for the server for ``patience`` seconds.

    What goes wrong is a TrueoddsError. ``models/x`` and ``x`` name the same model. A calibrator is
    named ``models/{model}/calibrators/{id}``, or by its id, or by how its id alone begins.
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
        options = channel_options(self.server, retries)
        self._channel = grpc.insecure_channel(self.server, options=options)
        self._scoring = scoring_pb2_grpc.ScoringServiceStub(self._channel)
        self._calibration = calibration_pb2_grpc.CalibrationServiceStub(self._channel)
        self._models = model_pb2_grpc.ModelServiceStub(self._channel)

    def score(
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
        """Answers one question.

        ``task`` decides which calibrator applies: that of the task, else the model's default,
        else none; unless ``calibrator`` names one. ``reading`` says how the question is asked
        and its answer read; a format alone will do. ``shots`` are worked examples, shown before
        the question; each needs its answer. The answer abstains where the options hold less
        than ``min_option_mass`` of the probability, or its calibrated confidence is below
        ``min_confidence``. It tells the ``answer_set`` of a rule, which is for one named
        ``calibrator``, and so many ``top_tokens``, at most 20. With ``require_calibrated`` a
        question that no calibrator applies to is FailedPrecondition, ``NOT_CALIBRATED``, and not
        answered raw; None is as the server is configured.
        """
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        message = _messages.question_message(question)
        request = scoring_pb2.ScoreRequest(settings=settings, question=message)
        return _messages.answer_of(self._ask(self._scoring.Score, request, timeout).answer)

    def score_batch(
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
        """Answers many questions of one task, in their order.

        A question that cannot be answered has its error in its place, and does not fail the
        others; what is wrong with all of them, such as the model's name, is raised. Any number
        of questions: they travel in several messages, some at once, and in smaller ones where the
        server does not answer them within the timeout. ``on_outcome`` is given each outcome as
        it comes, in order. The other arguments are those of ``score``.
        """
        questions = list(questions)
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        size = self._batch_size(model, timeout) if len(questions) > 1 else 1
        outcomes: list[Answer | errors.TrueoddsError] = []
        limit = self._limit(timeout)
        batches = Batches(
            _messages.batch_messages(settings, questions, size),
            lambda request: self._scoring.BatchScore.future(request, timeout=limit),
            Pace(WINDOW, limit),
        )
        try:
            while (call := batches.next()) is not None:
                try:
                    with self._errors():
                        response = call.result()
                except errors.DeadlineExceeded as error:
                    batches.too_slow(error)
                    continue
                batches.answered()
                _messages.take(response, outcomes, len(questions), progress, on_outcome)
        finally:
            batches.cancel()
        return outcomes

    def score_stream(
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
        ordered: bool = True,
        timeout: float | None = None,
    ) -> Iterator[tuple[int, Answer | errors.TrueoddsError]]:
        """Answers any number of questions of one task, as a stream.

        Reads ``questions`` as they are sent, and yields the index of each, from 0, with its answer
        or its error: in their order, or with ``ordered=False`` as they come. Any number of
        questions takes the same memory. A server that restarts or loses an engine is waited for,
        up to 300 seconds, and asked again only for what it has not answered; ``timeout`` bounds
        the wait for the next answer. What a service fails at is asked again, at last alone. What
        is wrong with all questions is raised. The other arguments are those of ``score``.
        """
        settings = _messages.settings_message(
            model,
            task,
            reading,
            shots,
            self._named(calibrator, model, timeout) if calibrator else None,
            min_option_mass,
            top_tokens,
            min_confidence,
            answer_set,
            require_calibrated,
        )
        batches = _batches(settings, questions, self._batch_size(model, timeout))
        for first, response in self.stream(batches, ordered=ordered, timeout=timeout):
            if response.HasField("error"):
                raise errors.from_status(response.error)
            yield from enumerate(_messages.outcomes_of(response, first), first)

    def stream(
        self,
        batches: Iterable[tuple[Key, scoring_pb2.StreamScoreRequest]],
        *,
        ordered: bool = True,
        timeout: float | None = None,
    ) -> Iterator[tuple[Key, scoring_pb2.StreamScoreResponse]]:
        """What ``score_stream`` is made of: messages of the contract, each with a key of yours.

        Each message needs its settings; its ``batch_id`` is overwritten. A batch that fails as a
        whole is yielded with its error.
        """
        return stream_batches(
            self._scoring,
            batches,
            server=self.server,
            window=STREAM_WINDOW,
            timeout=self._limit(timeout),
            patience=self._patience,
            ordered=ordered,
        )

    def tokenize(
        self,
        prompts: Iterable[str | Text | TokenIds | Chat],
        *,
        model: str,
        timeout: float | None = None,
    ) -> list[tuple[int, ...]]:
        """The tokens of prompts as the model reads them, in their order."""
        requests = _messages.tokenize_messages(model, prompts, self._batch_size(model, timeout))
        tokens: list[tuple[int, ...]] = []
        for request in requests:
            try:
                response = self._ask(self._models.Tokenize, request, timeout)
            except errors.InvalidRequest as error:
                raise errors.counted_from(error, len(tokens)) from None
            tokens += [tuple(each.ids) for each in response.prompts]
        return tokens

    def fit(
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
        """Fits a calibrator for a model and task, and stores it.

        ``items`` are questions, with answers or without, for the service to score, or ``Scores``;
        all have the same number of options, but with ``any_options``. TEACHER_KL, AGREEMENT_KL and
        TEACHER_POOLED need a handful, and a ``teacher`` unless the server's configuration names
        one: it is shown ``teacher_shots`` and read by ``teacher_reading`` where these differ. Other
        methods learn from the items with answers; AUTO chooses. CONSTANT (with ``temperature``, in
        [0.001, 1000]) and IDENTITY need only the number of ``options``. ``content_free`` are scores
        after questions without content, for CONTEXTUAL and ``Scores``.
        Without ``task`` it is the model's default.

        It answers at once with ``activate``, else when ``activate()`` names it. A degenerate fit is
        kept and not activated, with a ``DegenerateFitWarning``, unless you ``force`` it. One
        temperature for ``any_options`` is fitted from items of mixed numbers of options, or, by
        CONSTANT and IDENTITY, of none; methods that end in no temperature refuse it. Rows of
        ``Scores`` that are probabilities are refused unless you ``allow_probabilities``. Items too
        many for one message travel in several, which are not sent again. With ``validate_only``
        nothing is stored: what comes back is what would have been. The same request with the same
        ``request_id`` of yours is fitted once, however often it is sent. ``progress`` counts
        prompts scored. ``timeout`` bounds the whole fit, in seconds.
        """
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
            for event in fit_events(self._calibration, request, timeout):
                if event.HasField("calibrator"):
                    return _fits.fitted_of(event.calibrator, activate=activate)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the fit ended without a calibrator")

    def evaluate(
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
        """Measures a calibrator on labelled questions: what to know before it is activated.

        ``name`` is ``models/{model}/calibrators/{id}``. The items, examples or ``Scores``, need
        their answers, and should not be those of the fit, which flatter. ``reading`` and
        ``shots`` are those of the answers that the calibrator is for. ``target_risks`` are
        risks, in (0, 1), to find abstention thresholds for, ``miscoverages`` the shares, in
        (0, 1), of answer sets that may miss the right option; the server has its own when they
        are empty. ``allow_probabilities`` is as in ``fit``. ``progress`` counts prompts scored.
        ``timeout`` bounds the whole evaluation,
        in seconds.
        """
        request = _reports.evaluate_message(
            self._named(name, "", None),
            items,
            reading,
            shots,
            target_risks,
            miscoverages,
            allow_probabilities,
        )
        with self._errors():
            for event in evaluation_events(self._calibration, request, timeout):
                if event.HasField("report"):
                    return _reports.report_of(event.report)
                if progress is not None:
                    progress(event.progress.done, event.progress.total)
        raise errors.ServiceFailed("the evaluation ended without a report")

    def calibrate(
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
        """Applies a calibrator to rows of scores that you have, one a question, in their order.

        It is the one called ``name``, else the active one of the ``task`` of ``model`` and the
        ``reading``, else the model's default. With a ``name`` these are checked, where given. A
        row that the calibrator is not for has its error in its place. Rows of probabilities are
        refused unless you ``allow_probabilities``.
        """
        name = self._named(name, model, timeout)
        rows = list(rows)
        size = self._rows_size(name, model, timeout) if len(rows) > 1 else 1
        requests = _fits.calibrate_messages(
            name, model, task, reading, rows, allow_probabilities, size
        )
        outcomes: list[CalibratedScores | errors.TrueoddsError] = []
        for request in requests:
            response = self._ask(self._calibration.Calibrate, request, timeout)
            outcomes += _fits.calibrated_of(response, len(outcomes))
        return outcomes

    def calibrators(
        self, model: str, *, task: str | None = None, timeout: float | None = None
    ) -> Iterator[Calibrator]:
        """A model's calibrators, the newest first; of one ``task`` ("": the default), or of all.

        They are fetched, and errors raised, as they are iterated. One whose record is damaged is
        told in a ``DamagedCalibratorWarning``: it can be rolled back and deleted by its name.
        """
        for page in self._pages(model, task, timeout):
            _fits.warn_of_damaged(page.damaged)
            yield from map(_messages.calibrator_of, page.calibrators)

    def calibrator(self, name: str, *, timeout: float | None = None) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        request = calibration_pb2.GetCalibratorRequest(name=self._named(name, "", timeout))
        response = self._ask(self._calibration.GetCalibrator, request, timeout)
        return _messages.calibrator_of(response.calibrator)

    def activate(
        self, name: str, *, force: bool = False, timeout: float | None = None
    ) -> Calibrator:
        """Makes a calibrator the one that answers in its scope, within a second everywhere.

        Activating the active one changes nothing. One whose fit is ``degenerate`` is
        FailedPrecondition, ``DEGENERATE_FIT``, unless you ``force`` it.
        """
        request = calibration_pb2.ActivateCalibratorRequest(
            name=self._named(name, "", timeout), force=force
        )
        response = self._ask(self._calibration.ActivateCalibrator, request, timeout)
        return _messages.calibrator_of(response.calibrator)

    def rollback(self, name: str, *, timeout: float | None = None) -> Calibrator | None:
        """Takes back the activation of a calibrator, which has to be the active one.

        Returns the calibrator that answers now; None when none does. Raises FailedPrecondition
        when ``name`` is not active, so that a repeated rollback does not go two steps back.
        """
        request = calibration_pb2.RollbackCalibratorRequest(name=self._named(name, "", timeout))
        response = self._ask(self._calibration.RollbackCalibrator, request, timeout)
        if not response.HasField("calibrator"):
            return None
        return _messages.calibrator_of(response.calibrator)

    def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Deletes a calibrator; raises FailedPrecondition while it is active."""
        request = calibration_pb2.DeleteCalibratorRequest(name=self._named(name, "", timeout))
        self._ask(self._calibration.DeleteCalibrator, request, timeout)

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """The models that the server has."""
        return self._list_models(self._limit(timeout))

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, its revision and its limits."""
        request = model_pb2.GetModelRequest(name=_messages.model_name(name))
        return _messages.model_of(self._ask(self._models.GetModel, request, timeout).model)

    def wait_until_ready(self, *, timeout: float = 300.0, model: str | None = None) -> list[Model]:
        """Waits until the server answers and every model is ready, or one; all the models.

        Raises Unavailable when no server is there after ``timeout`` seconds, and
        DeadlineExceeded when its models are not ready by then; at once, ModelFailed when a model
        that is waited for cannot come up, and NotFound when the server has none of its name.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                models = self._list_models(max(left, ATTEMPT_TIMEOUT))
                if _messages.are_ready(models, model):
                    return models
            except errors.Unavailable:
                if left < 0:
                    raise
            if left < 0:
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

    def _batch_size(self, model: str, timeout: float | None) -> int:
        return min(BATCH, self.model(model, timeout=timeout).max_items)

    def _rows_size(self, name: str, model: str, timeout: float | None) -> int:
        """How many rows a message may hold; a calibrator may be of a model that is not served."""
        try:
            return self._batch_size(name.rpartition("/calibrators/")[0] or model, timeout)
        except (errors.NotFound, errors.InvalidRequest):
            return BATCH

    def _list_models(self, timeout: float) -> list[Model]:
        request = model_pb2.ListModelsRequest()
        with self._errors():
            response = self._models.ListModels(request, timeout=timeout)
        return [_messages.model_of(model) for model in response.models]

    def _ask(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout: float | None,
    ) -> Response:
        with self._errors():
            return method(request, timeout=self._limit(timeout))

    def _pages(
        self, model: str, task: str | None, timeout: float | None
    ) -> Iterator[calibration_pb2.ListCalibratorsResponse]:
        request = calibration_pb2.ListCalibratorsRequest(
            model=_messages.model_name(model), task=task
        )
        while True:
            page = self._ask(self._calibration.ListCalibrators, request, timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _named(self, name: str, model: str, timeout: float | None) -> str:
        """The whole name of a calibrator, from that, from its id or from how its id begins."""
        model, start = _messages.calibrator_parts(name, model)
        if not start:
            return name
        models = [model] if model else [each.name for each in self.models(timeout=timeout)]
        names = [
            each
            for one in models
            for page in self._pages(one, None, timeout)
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


def _batches(
    settings: scoring_pb2.ScoreSettings, questions: Iterable[Question], size: int
) -> Iterator[tuple[int, scoring_pb2.StreamScoreRequest]]:
    """Questions as messages, no further read than is needed."""
    source, first = iter(questions), 0
    while chunk := list(islice(source, size)):
        yield from _messages.stream_messages(settings, first, chunk, size)
        first += len(chunk)
