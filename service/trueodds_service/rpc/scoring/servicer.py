"""The methods of ScoringService."""

import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from typing import Any

from trueodds.v1 import question_pb2, scoring_pb2, scoring_pb2_grpc
from trueodds_service import metering
from trueodds_service.concurrency import as_completed, in_pieces
from trueodds_service.config import Limits
from trueodds_service.edge.time_limits import in_time
from trueodds_service.errors import InvalidInput, ServiceError, field
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.cascade import answer
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.flows.score import Answer, ScoreQuery, ScoreResult
from trueodds_service.prompts.question import Question
from trueodds_service.rpc.questions import QuestionParser, parse_answer_id
from trueodds_service.rpc.scoring.answers import AnswerMessages, timings_message
from trueodds_service.rpc.scoring.settings import Parsed, SettingsParser
from trueodds_service.rpc.status import Context, of_any


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Converts; the answer is the flow's."""

    def __init__(
        self,
        catalog: Catalog,
        calibrators: Calibrators,
        outcomes: Outcomes,
        limits: Limits,
        *,
        require_calibrated: bool = False,
    ) -> None:
        """``require_calibrated`` holds for requests that do not say."""
        self._catalog = catalog
        self._calibrators = calibrators
        self._outcomes = outcomes
        self._limits = limits
        self._settings = SettingsParser(limits, require_calibrated=require_calibrated)

    async def Score(
        self, request: scoring_pb2.ScoreRequest, context: Context
    ) -> scoring_pb2.ScoreResponse:
        arrived = time.perf_counter()
        query, parser = self._settings.parse(request.settings)
        key = await self._key(query)
        with field("question"):
            question = parser.question(request.question)
            answer_id = parse_answer_id(request.question)
        result = await self._score(query, (question,))
        outcome = result.outcomes[0]
        if isinstance(outcome, InvalidInput):
            raise outcome.under("question")
        if isinstance(outcome, ServiceError):
            raise outcome
        message = AnswerMessages(result, key).message(outcome)
        if answer_id:
            message.kept = await self._outcomes.keep({answer_id: outcome})
        return scoring_pb2.ScoreResponse(answer=message, timings=timings_message(result, arrived))

    async def BatchScore(
        self, request: scoring_pb2.BatchScoreRequest, context: Context
    ) -> scoring_pb2.BatchScoreResponse:
        arrived = time.perf_counter()
        self._check_count(request.questions)
        outcomes, timings = await self._batch(
            self._settings.parse(request.settings), request.questions, arrived
        )
        return scoring_pb2.BatchScoreResponse(outcomes=outcomes, timings=timings)

    async def StreamScore(
        self, request_iterator: AsyncIterator[scoring_pb2.StreamScoreRequest], context: Context
    ) -> AsyncIterator[scoring_pb2.StreamScoreResponse]:
        with closing(metering.current().stream()) as memory:
            stream = _Stream(memory)
            batches = self._stream_batches(request_iterator, stream)
            # Closed here, and not some time later, where a caller leaves.
            async with aclosing(as_completed(batches, self._limits.max_stream_batches)) as answered:
                async for response, size in answered:
                    yield response
                    memory.hold(-size)
                    stream.batches -= 1

    async def _stream_batches(
        self, requests: AsyncIterator[scoring_pb2.StreamScoreRequest], stream: "_Stream"
    ) -> AsyncIterator[Coroutine[Any, Any, tuple[scoring_pb2.StreamScoreResponse, int]]]:
        """What answers each message of a stream, with its size; settings hold until others come.

        Raises Expired where none comes.
        """
        settings: Parsed | ServiceError = InvalidInput(
            "settings", "is required in the first message of a stream"
        )
        await stream.memory.room()
        patience = self._limits.stream_idle_seconds
        async for request in in_time(requests, patience, lambda: not stream.batches):
            if isinstance(request, ServiceError):  # bytes that are no message
                raise request
            size = request.ByteSize()  # which writes the whole message, to count
            stream.memory.hold(size)
            stream.batches += 1
            if request.HasField("settings"):
                try:
                    settings = self._settings.parse(request.settings)
                except ServiceError as error:
                    settings = error
            yield self._held_batch(settings, request, size, stream.memory)
            await stream.memory.room()

    async def _held_batch(
        self,
        settings: Parsed | ServiceError,
        request: scoring_pb2.StreamScoreRequest,
        size: int,
        memory: metering.Stream,
    ) -> tuple[scoring_pb2.StreamScoreResponse, int]:
        """The response and its size, held in place of the request of that ``size``."""
        response = await self._stream_batch(settings, request)
        answered = response.ByteSize()
        memory.hold(answered - size)
        return response, answered

    async def _stream_batch(
        self, settings: Parsed | ServiceError, request: scoring_pb2.StreamScoreRequest
    ) -> scoring_pb2.StreamScoreResponse:
        """A batch that fails as a whole says why, and the stream goes on."""
        arrived = time.perf_counter()
        response = scoring_pb2.StreamScoreResponse(batch_id=request.batch_id)
        try:
            if isinstance(settings, ServiceError):
                raise settings
            self._check_count(request.questions)
            outcomes, timings = await self._batch(settings, request.questions, arrived)
        except Exception as error:
            response.error.CopyFrom(of_any(error))
        else:
            response.outcomes.extend(outcomes)
            response.timings.CopyFrom(timings)
        return response

    def _check_count(self, questions: Sequence[question_pb2.Question]) -> None:
        count = len(questions)
        if not 1 <= count <= self._limits.max_items:
            raise InvalidInput(
                "questions", f"has {count} questions; from 1 to {self._limits.max_items}"
            )

    async def _batch(
        self, settings: Parsed, messages: Sequence[question_pb2.Question], arrived: float
    ) -> tuple[list[scoring_pb2.Outcome], scoring_pb2.Timings]:
        query, parser = settings
        key = await self._key(query)
        places: dict[str, int] = {}
        parsed = [
            _parsed(message, parser, places.setdefault(message.answer_id, place), place)
            async for place, message in in_pieces(enumerate(messages))
        ]
        questions = tuple(question for question in parsed if isinstance(question, Question))
        result = await self._score(query, questions)
        answers = AnswerMessages(result, key)
        scored = iter(result.outcomes)
        found = [next(scored) if isinstance(each, Question) else each for each in parsed]
        outcomes = [
            answers.outcome(each, index) async for index, each in in_pieces(enumerate(found))
        ]
        await self._keep(messages, found, outcomes)
        return outcomes, timings_message(result, arrived)

    async def _keep(
        self,
        messages: Sequence[question_pb2.Question],
        found: Sequence[Answer | ServiceError],
        outcomes: Sequence[scoring_pb2.Outcome],
    ) -> None:
        """Keeps the answers to questions that want it, and says so in their messages."""
        named = {
            message.answer_id: answer
            for message, answer in zip(messages, found, strict=True)
            if message.answer_id and isinstance(answer, Answer)
        }
        if not named:
            return
        kept = await self._outcomes.keep(named)
        for message, outcome in zip(messages, outcomes, strict=True):
            if message.answer_id and outcome.HasField("answer"):
                outcome.answer.kept = kept

    async def _score(self, query: ScoreQuery, questions: tuple[Question, ...]) -> ScoreResult:
        return await answer(replace(query, questions=questions), self._catalog, self._calibrators)

    async def _key(self, query: ScoreQuery) -> bytes | None:
        """What seals receipts, where they are wanted: asked for before an engine works in vain."""
        return await self._outcomes.key() if query.receipts else None


@dataclass(slots=True)
class _Stream:
    """What one stream holds, and the answers of how many batches have not been taken yet."""

    memory: metering.Stream
    batches: int = 0


def _parsed(
    message: question_pb2.Question, parser: QuestionParser, first: int, place: int
) -> Question | InvalidInput:
    """``first`` is the place of the first question of the message with the same ``answer_id``."""
    try:
        if parse_answer_id(message) and first != place:
            raise InvalidInput("answer_id", f"is that of questions[{first}]: it is for one answer")
        return parser.question(message)
    except InvalidInput as error:
        return error
