"""The blocking client: what ``AsyncClient`` does, in the thread that calls it."""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from typing_extensions import Self, Unpack

from trueodds import errors
from trueodds._address import server_address
from trueodds._calls.scoring import AllCalls, awaited
from trueodds._channel import (
    FIT_TIMEOUT,
    PATIENCE,
    RETRIES,
    TIMEOUT,
    channel_options,
    checked_connections,
)
from trueodds._security import Security
from trueodds._stream.pieces import Key
from trueodds._transport.blocking import Blocking, each, run
from trueodds.answer import Answer
from trueodds.calibrator import Calibrator
from trueodds.drift import Alert, Drift, Outcome, RecordedOutcomes, TeacherCheck
from trueodds.evaluation import Report
from trueodds.model import Model
from trueodds.options import (
    CHECK,
    CONNECTION,
    EVALUATE,
    FIT,
    SCORE,
    AnyReading,
    CheckOptions,
    ConnectionOptions,
    EvaluateOptions,
    FitOptions,
    OnOutcome,
    Progress,
    ScoreOptions,
    spelled_out,
)
from trueodds.question import Chat, Example, Question, Text, TokenIds
from trueodds.scores import CalibratedScores, Scores
from trueodds.v1 import scoring_pb2


class Client:
    """A connection to a trueodds server; thread-safe. Close it, or use it in ``with``.

    ``server`` is HOST:PORT; without it, the environment's TRUEODDS_SERVER, then
    localhost:50051; an IPv6 address stands in brackets. ``timeout`` bounds each message's round
    trip, in seconds, where a call has no ``timeout`` of its own; a batch may need several messages.

    A call that finds the server Unavailable is sent again ``retries`` times, from 0 to 4, with
    pauses from 0.2 to 2 seconds and within its timeout; nothing else is. Streams do not count:
    they wait for the server for ``patience`` seconds.

    Where several gateways answer at the address, a connection reaches one of them: a client of
    more ``connections`` gives each call, and each message of a stream, to the one with the fewest
    under way.

    How to speak TLS, with a certificate or an API key, is in ``ConnectionOptions``.

    What goes wrong is a TrueoddsError. ``models/x`` and ``x`` name the same model. A calibrator is
    named ``models/{model}/calibrators/{id}``, or by its id, or by how its id alone begins.
    """

    @spelled_out(ConnectionOptions, CONNECTION)
    def __init__(
        self,
        server: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        patience: float = PATIENCE,
        connections: int = 1,
        **security: Unpack[ConnectionOptions],
    ) -> None:
        address = server_address(server)
        transport = Blocking(
            address,
            channel_options(address, retries),
            checked_connections(connections),
            Security.of(security, address),
        )
        self._calls = AllCalls(transport, timeout, patience, retries)

    @property
    def server(self) -> str:
        """The address of the server."""
        return self._calls.server

    @spelled_out(ScoreOptions, SCORE)
    def score(
        self,
        question: Question,
        *,
        model: str,
        task: str = "",
        timeout: float | None = None,
        **options: Unpack[ScoreOptions],
    ) -> Answer:
        """Answers one question.

        ``task`` decides which calibrator applies: that of the task, else the model's default,
        else none; unless ``calibrator`` names one. The options are those of ``ScoreOptions``.
        """
        return run(self._calls.score(question, model=model, task=task, timeout=timeout, **options))

    @spelled_out(ScoreOptions, SCORE)
    def score_batch(
        self,
        questions: Iterable[Question],
        *,
        model: str,
        task: str = "",
        progress: Progress | None = None,
        on_outcome: OnOutcome | None = None,
        timeout: float | None = None,
        **options: Unpack[ScoreOptions],
    ) -> list[Answer | errors.TrueoddsError]:
        """Answers many questions of one task, in their order.

        A question that cannot be answered has its error in its place, and does not fail the
        others; what is wrong with all of them, such as the model's name, is raised. Any number
        of questions: they travel in several messages, some at once, and in smaller ones where the
        server does not answer them within the timeout. ``on_outcome`` is given each outcome as
        it comes, in order. ``task`` and the options are as in ``score``.
        """
        return run(
            self._calls.score_batch(
                questions,
                model=model,
                task=task,
                progress=progress,
                on_outcome=on_outcome,
                timeout=timeout,
                **options,
            )
        )

    @spelled_out(ScoreOptions, SCORE)
    def score_stream(
        self,
        questions: Iterable[Question],
        *,
        model: str,
        task: str = "",
        ordered: bool = True,
        timeout: float | None = None,
        **options: Unpack[ScoreOptions],
    ) -> Iterator[tuple[int, Answer | errors.TrueoddsError]]:
        """Answers any number of questions of one task, as a stream.

        Reads ``questions`` as they are sent, and yields the index of each, from 0, with its answer
        or its error: in their order, or with ``ordered=False`` as they come. Any number of
        questions takes the same memory. A server that restarts or loses an engine is waited for,
        up to 300 seconds, and asked again only for what it has not answered; ``timeout`` bounds
        the wait for the next answer. What a service fails at is asked again, at last alone. What
        is wrong with all questions is raised. ``task`` and the options are as in ``score``.
        """
        return each(
            self._calls.score_stream(
                questions, model=model, task=task, ordered=ordered, timeout=timeout, **options
            )
        )

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
        return each(self._calls.stream(awaited(batches), ordered=ordered, timeout=timeout))

    def tokenize(
        self,
        prompts: Iterable[str | Text | TokenIds | Chat],
        *,
        model: str,
        timeout: float | None = None,
    ) -> list[tuple[int, ...]]:
        """The tokens of prompts as the model reads them, in their order."""
        return run(self._calls.tokenize(prompts, model=model, timeout=timeout))

    @spelled_out(FitOptions, FIT)
    def fit(
        self,
        items: Iterable[Example | Question | Scores] = (),
        *,
        model: str,
        task: str = "",
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[FitOptions],
    ) -> Calibrator:
        """Fits a calibrator for a model and task, and stores it.

        ``items`` are questions, with answers or without, for the service to score, or ``Scores``;
        all have the same number of options, but with ``any_options``. Without ``task`` it is the
        model's default. It answers at once with ``activate``, else when ``activate()`` names it.
        Items too many for one message travel in several. ``progress`` counts prompts scored.
        ``timeout`` bounds the whole fit, in seconds. The options are those of ``FitOptions``.
        """
        return run(
            self._calls.fit(
                items, model=model, task=task, progress=progress, timeout=timeout, **options
            )
        )

    @spelled_out(EvaluateOptions, EVALUATE)
    def evaluate(
        self,
        name: str,
        items: Iterable[Example | Scores],
        *,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[EvaluateOptions],
    ) -> Report:
        """Measures a calibrator on labelled questions: what to know before it is activated.

        ``name`` is ``models/{model}/calibrators/{id}``. The items, examples or ``Scores``, need
        their answers, confidences alone whether they are ``correct``, and should not be those of
        the fit, which flatter. ``progress`` counts prompts scored. ``timeout`` bounds the whole
        evaluation, in seconds. The options are those of ``EvaluateOptions``.
        """
        return run(self._calls.evaluate(name, items, progress=progress, timeout=timeout, **options))

    def calibrate(
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
        """Applies a calibrator to rows of scores that you have, one a question, in their order.

        It is the one called ``name``, else the active one of the ``task`` of ``model`` and the
        ``reading``, else the model's default. With a ``name`` these are checked, where given. A
        row that the calibrator is not for has its error in its place.

        Rows of numbers are logprobs, and refused where they look like probabilities, unless you
        ``allow_probabilities``. Probabilities, and confidences alone, are told as ``Scores``;
        ``probability_step`` is what they are rounded to, as of a fit.
        """
        return run(
            self._calls.calibrate(
                rows,
                name=name,
                model=model,
                task=task,
                reading=reading,
                probability_step=probability_step,
                allow_probabilities=allow_probabilities,
                timeout=timeout,
            )
        )

    def calibrators(
        self, model: str, *, task: str | None = None, timeout: float | None = None
    ) -> Iterator[Calibrator]:
        """A model's calibrators, the newest first; of one ``task`` ("": the default), or of all.

        They are fetched, and errors raised, as they are iterated. One whose record is damaged is
        told in a ``DamagedCalibratorWarning``: it can be rolled back and deleted by its name.
        """
        return each(self._calls.calibrators(model, task=task, timeout=timeout))

    def calibrator(self, name: str, *, timeout: float | None = None) -> Calibrator:
        """The calibrator called ``models/{model}/calibrators/{id}``."""
        return run(self._calls.calibrator(name, timeout=timeout))

    def activate(
        self, name: str, *, force: bool = False, timeout: float | None = None
    ) -> Calibrator:
        """Makes a calibrator the one that answers in its scope, within a second everywhere.

        Activating the active one changes nothing. One whose fit is ``degenerate`` is
        FailedPrecondition, ``DEGENERATE_FIT``, unless you ``force`` it.
        """
        return run(self._calls.activate(name, force=force, timeout=timeout))

    def rollback(self, name: str, *, timeout: float | None = None) -> Calibrator | None:
        """Takes back the activation of a calibrator, which has to be the active one.

        Returns the calibrator that answers now; None when none does. Raises FailedPrecondition
        when ``name`` is not active, so that a repeated rollback does not go two steps back; where
        the answer to an earlier try was lost, it says that it may have been taken back already.
        """
        return run(self._calls.rollback(name, timeout=timeout))

    def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Deletes a calibrator; raises FailedPrecondition while it is active."""
        run(self._calls.delete(name, timeout=timeout))

    def record_outcomes(
        self, outcomes: Iterable[Outcome], *, timeout: float | None = None
    ) -> RecordedOutcomes:
        """Tells which options of answered questions were right, or that nobody knows.

        Any number, at any time, in any order: what was told before may be told again, and
        corrected. One that is none is told in ``errors``, and does not fail the others.
        """
        return run(self._calls.record_outcomes(outcomes, timeout=timeout))

    def drift(
        self,
        name: str = "",
        *,
        model: str = "",
        task: str = "",
        window: int | None = None,
        timeout: float | None = None,
    ) -> Drift:
        """Whether the calibrator called ``name`` keeps its promise, by its answers' outcomes; or,
        without a name, the one that is active in ``task`` of ``model``.

        ``window`` is how many of the newest to measure apart, at most 10,000; 1,000 unless told.
        """
        return run(self._calls.drift(name, model=model, task=task, window=window, timeout=timeout))

    @spelled_out(CheckOptions, CHECK)
    def check(
        self,
        name: str,
        questions: Iterable[Question | Example],
        *,
        progress: Progress | None = None,
        timeout: float = FIT_TIMEOUT,
        **options: Unpack[CheckOptions],
    ) -> TeacherCheck:
        """Looks at a calibrator through fresh questions without answers: whether its model and the
        teacher disagree on them as often as at the fit. It is a reason to look, and no more.

        The counts are kept, and nothing of the questions; the same questions again are no other
        check. Answers of examples are not sent. ``progress`` counts prompts scored. ``timeout``
        bounds all of it, in seconds. The options are those of ``CheckOptions``.
        """
        return run(
            self._calls.check(name, questions, progress=progress, timeout=timeout, **options)
        )

    def alerts(
        self, model: str, *, calibrator: str | None = None, timeout: float | None = None
    ) -> Iterator[Alert]:
        """What speaks against a model's calibrators, or one of them, the newest first.

        The service looks by itself, whether anybody asks or not. They are fetched, and errors
        raised, as they are iterated.
        """
        return each(self._calls.alerts(model, calibrator=calibrator, timeout=timeout))

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """The models that the server has."""
        return run(self._calls.models(timeout=timeout))

    def model(self, name: str, *, timeout: float | None = None) -> Model:
        """One model, its revision and its limits."""
        return run(self._calls.model(name, timeout=timeout))

    def wait_until_ready(self, *, timeout: float = 300.0, model: str | None = None) -> list[Model]:
        """Waits until the server answers and every model is ready, or one; all the models.

        Raises Unavailable when no server is there after ``timeout`` seconds, and
        DeadlineExceeded when its models are not ready by then; at once, ModelFailed when a model
        that is waited for cannot come up, and NotFound when the server has none of its name.
        """
        return run(self._calls.wait_until_ready(timeout=timeout, model=model))

    def close(self) -> None:
        """Closes the connection; calls under way fail."""
        run(self._calls.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
