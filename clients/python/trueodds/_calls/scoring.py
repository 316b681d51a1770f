"""Calls of ScoringService."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from typing import TypeVar

from typing_extensions import Unpack

from trueodds import errors
from trueodds._calls.calibration import CalibrationCalls
from trueodds._channel import STREAM_WINDOW, WINDOW
from trueodds._convert import questions as _questions
from trueodds._convert import scoring as _messages
from trueodds._stream.batches import Batches
from trueodds._stream.flight import Flight
from trueodds._stream.pace import Pace
from trueodds._stream.pieces import Key
from trueodds._stream.stream import stream_batches
from trueodds.answer import Answer
from trueodds.options import SCORE, OnOutcome, Progress, ScoreOptions, spelled_out
from trueodds.question import Question
from trueodds.v1 import scoring_pb2

Item = TypeVar("Item")


class AllCalls(CalibrationCalls):
    """Answers to questions, and all other calls."""

    @spelled_out(ScoreOptions, SCORE)
    async def score(
        self,
        question: Question,
        *,
        model: str,
        task: str = "",
        timeout: float | None = None,
        **options: Unpack[ScoreOptions],
    ) -> Answer:
        """Answers one question; see ``Client.score``."""
        settings = await self._settings(model, task, timeout, options)
        request = scoring_pb2.ScoreRequest(
            settings=settings, question=_questions.question_message(question)
        )
        response = await self._ask(lambda on: on.scoring.Score, request, timeout)
        return _messages.answer_of(response.answer)

    @spelled_out(ScoreOptions, SCORE)
    async def score_batch(
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
        """Answers many questions of one task, in their order; see ``Client.score_batch``."""
        questions = list(questions)
        settings = await self._settings(model, task, timeout, options)
        size = await self._batch_size(model, timeout) if len(questions) > 1 else 1
        limit = self._limit(timeout)
        batches = Batches(
            _messages.batch_messages(settings, questions, size),
            lambda request: self._transport.begin(lambda on: on.scoring.BatchScore, request, limit),
            Pace(WINDOW * self._transport.connections, limit),
        )
        outcomes: list[Answer | errors.TrueoddsError] = []
        try:
            while (call := batches.next()) is not None:
                try:
                    response = await self._transport.result(call)
                except errors.DeadlineExceeded as error:
                    batches.too_slow(error)
                    continue
                batches.answered()
                _messages.take(response, outcomes, len(questions), progress, on_outcome)
        finally:
            batches.cancel()
        return outcomes

    @spelled_out(ScoreOptions, SCORE)
    async def score_stream(
        self,
        questions: Iterable[Question] | AsyncIterable[Question],
        *,
        model: str,
        task: str = "",
        ordered: bool = True,
        timeout: float | None = None,
        **options: Unpack[ScoreOptions],
    ) -> AsyncIterator[tuple[int, Answer | errors.TrueoddsError]]:
        """Answers any number of questions, as a stream; see ``Client.score_stream``."""
        settings = await self._settings(model, task, timeout, options)
        batches = _batches(settings, questions, await self._batch_size(model, timeout))
        async with aclosing(self.stream(batches, ordered=ordered, timeout=timeout)) as stream:
            async for first, response in stream:
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
    ) -> AsyncGenerator[tuple[Key, scoring_pb2.StreamScoreResponse], None]:
        """Messages of the contract, each with a key of yours; see ``Client.stream``."""
        limit = self._limit(timeout)
        window = STREAM_WINDOW * self._transport.connections
        flight = Flight[Key](window, self._patience, ordered=ordered, timeout=limit)
        return stream_batches(self._transport, batches, flight, limit)

    async def _settings(
        self, model: str, task: str, timeout: float | None, options: ScoreOptions
    ) -> scoring_pb2.ScoreSettings:
        settings = _messages.settings_message(model, task, **options)
        if settings.calibrator:
            settings.calibrator = await self._named(settings.calibrator, model, timeout)
        return settings


async def _batches(
    settings: scoring_pb2.ScoreSettings,
    questions: Iterable[Question] | AsyncIterable[Question],
    size: int,
) -> AsyncIterator[tuple[int, scoring_pb2.StreamScoreRequest]]:
    """Questions as messages, no further read than is needed."""
    source = aiter(awaited(questions))
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


async def awaited(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[Item]:
    """The same to be read by ``async for``, whatever they are."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
