"""ScoringService: messages in, answers out."""

import functools
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from trueodds.v1 import question_pb2, scoring_pb2, scoring_pb2_grpc
from trueodds_service.concurrency import as_completed
from trueodds_service.config import Limits
from trueodds_service.engine.base import MAX_TOP_TOKENS
from trueodds_service.errors import InvalidInput, ServiceError, field
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import SetRule
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.flows.receipts import seal_receipt
from trueodds_service.flows.score import Answer, ScoreQuery, ScoreResult, score
from trueodds_service.prompts.question import Question
from trueodds_service.rpc.calibration.evaluations import SET_METHODS
from trueodds_service.rpc.models import identity_message
from trueodds_service.rpc.names import parse_calibrator, parse_model
from trueodds_service.rpc.questions import QuestionParser, parse_task
from trueodds_service.rpc.reading import parse_reading
from trueodds_service.rpc.status import Context, of_any, to_status

# How many settings are kept parsed, and how long each may be: shots of some 10,000 words.
_KEPT_SETTINGS = 256
_KEPT_BYTES = 2**16

_SET_SCORES = {message: score for score, message in SET_METHODS.items()}


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
        self._require_calibrated = require_calibrated
        self._calibrators = calibrators
        self._outcomes = outcomes
        self._limits = limits
        self._kept_query = functools.lru_cache(_KEPT_SETTINGS)(self._query_of_bytes)

    async def Score(
        self, request: scoring_pb2.ScoreRequest, context: Context
    ) -> scoring_pb2.ScoreResponse:
        arrived = time.perf_counter()
        query, parser = self._query(request.settings)
        with field("question"):
            question = parser.question(request.question)
        result = await self._score(query, (question,))
        outcome = result.outcomes[0]
        if isinstance(outcome, InvalidInput):
            raise outcome.under("question")
        if isinstance(outcome, ServiceError):
            raise outcome
        return scoring_pb2.ScoreResponse(
            answer=(await self._answers(query, result)).message(outcome),
            timings=_timings(result, arrived),
        )

    async def BatchScore(
        self, request: scoring_pb2.BatchScoreRequest, context: Context
    ) -> scoring_pb2.BatchScoreResponse:
        arrived = time.perf_counter()
        self._check_count(request.questions)
        outcomes, timings = await self._batch(
            self._query(request.settings), request.questions, arrived
        )
        return scoring_pb2.BatchScoreResponse(outcomes=outcomes, timings=timings)

    def StreamScore(
        self, request_iterator: AsyncIterator[scoring_pb2.StreamScoreRequest], context: Context
    ) -> AsyncIterator[scoring_pb2.StreamScoreResponse]:
        batches = self._stream_batches(request_iterator)
        return as_completed(batches, self._limits.max_stream_batches)

    async def _stream_batches(
        self, requests: AsyncIterator[scoring_pb2.StreamScoreRequest]
    ) -> AsyncIterator[Coroutine[Any, Any, scoring_pb2.StreamScoreResponse]]:
        """What answers each message of a stream; settings hold until others come."""
        settings: _Parsed | ServiceError = InvalidInput(
            "settings", "is required in the first message of a stream"
        )
        async for request in requests:
            if isinstance(request, ServiceError):  # bytes that are no message
                raise request
            if request.HasField("settings"):
                try:
                    settings = self._query(request.settings)
                except ServiceError as error:
                    settings = error
            yield self._stream_batch(settings, request)

    async def _stream_batch(
        self, settings: "_Parsed | ServiceError", request: scoring_pb2.StreamScoreRequest
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
        self, settings: "_Parsed", messages: Sequence[question_pb2.Question], arrived: float
    ) -> tuple[list[scoring_pb2.Outcome], scoring_pb2.Timings]:
        query, parser = settings
        parsed = _parsed(messages, parser)
        questions = tuple(question for question in parsed if isinstance(question, Question))
        result = await self._score(query, questions)
        answers = await self._answers(query, result)
        scored = iter(result.outcomes)
        outcomes = [
            answers.outcome(next(scored) if isinstance(question, Question) else question, index)
            for index, question in enumerate(parsed)
        ]
        return outcomes, _timings(result, arrived)

    def _query(self, settings: scoring_pb2.ScoreSettings) -> "_Parsed":
        """The query, as yet without questions, and what parses them.

        Settings come again with every message of a task, its shots among them: parsed once.
        """
        if settings.ByteSize() > _KEPT_BYTES:
            return self._parsed_settings(settings)
        return self._kept_query(settings.SerializeToString(deterministic=True))

    def _query_of_bytes(self, content: bytes) -> "_Parsed":
        return self._parsed_settings(scoring_pb2.ScoreSettings.FromString(content))

    def _parsed_settings(self, settings: scoring_pb2.ScoreSettings) -> "_Parsed":
        with field("settings"):
            model = parse_model(settings.model, "model")
            with field("reading"):
                reading = parse_reading(settings.reading, self._limits)
            parser = QuestionParser(reading, self._limits, settings.options, single=True)
            calibrator = _calibrator_id(settings.calibrator, model)
            query = ScoreQuery(
                model=model,
                task=parse_task(settings.task, "task"),
                reading=reading,
                shots=parser.shots(settings.shots, "shots"),
                calibrator=calibrator,
                questions=(),
                min_option_mass=_share(settings.min_option_mass, "min_option_mass"),
                min_confidence=_share(settings.min_confidence, "min_confidence"),
                require_calibrated=(
                    settings.require_calibrated
                    if settings.HasField("require_calibrated")
                    else self._require_calibrated
                ),
                answer_sets=_answer_sets(settings, calibrator),
                top_tokens=_top_tokens(settings.top_tokens),
                receipts=settings.receipts,
            )
        return query, parser

    async def _score(self, query: ScoreQuery, questions: tuple[Question, ...]) -> ScoreResult:
        return await score(replace(query, questions=questions), self._catalog, self._calibrators)

    async def _answers(self, query: ScoreQuery, result: ScoreResult) -> "_Answers":
        return _Answers(result, await self._outcomes.key() if query.receipts else None)


_Parsed: TypeAlias = tuple[ScoreQuery, QuestionParser]


def _parsed(
    messages: Sequence[question_pb2.Question], parser: QuestionParser
) -> list[Question | InvalidInput]:
    parsed: list[Question | InvalidInput] = []
    for message in messages:
        try:
            parsed.append(parser.question(message))
        except InvalidInput as error:
            parsed.append(error)
    return parsed


class _Answers:
    """Answers of one result → messages; with a key, each has a receipt."""

    def __init__(self, result: ScoreResult, key: bytes | None) -> None:
        # As it was asked: meanwhile the model may have lost its engine.
        self._served = result.served
        self._identity = identity_message(result.model, result.served)
        self._stale = result.stale
        self._key = key

    def outcome(self, outcome: Answer | ServiceError, index: int) -> scoring_pb2.Outcome:
        if isinstance(outcome, Answer):
            return scoring_pb2.Outcome(answer=self.message(outcome))
        if isinstance(outcome, InvalidInput):
            outcome = outcome.under(f"questions[{index}]")
        return scoring_pb2.Outcome(error=to_status(outcome))

    def message(self, answer: Answer) -> scoring_pb2.Answer:
        choice, read = answer.choice, answer.read
        as_asked = read.as_asked
        return scoring_pb2.Answer(
            options=_option_messages(answer),
            choice=choice,
            confidence=float(answer.probabilities[choice]),
            calibrated_confidence=float(answer.calibrated[choice]),
            calibrated=answer.calibrator is not None,
            calibrator="" if answer.calibrator is None else answer.calibrator.name,
            format_probability=as_asked.format_probability,
            option_mass=answer.option_mass,
            low_option_mass=as_asked.low_option_mass,
            entropy=answer.entropy,
            abstained=answer.abstained,
            top_tokens=[
                scoring_pb2.TopToken(
                    id=token, text=self._served.tokenizer.token_text(token), logprob=logprob
                )
                for token, logprob in as_asked.engine.top_tokens
            ],
            permutations=[scoring_pb2.Permutation(options=order) for order in read.orders],
            label_prior=read.prior,
            identity=self._identity,
            prompt_tokens=as_asked.prepared.prompt.length,
            answer_set=answer.answer_set,
            raw_because=answer.raw_because,
            calibration_stale=self._stale,
            receipt=b"" if self._key is None else _receipt(self._key, answer),
        )


def _receipt(key: bytes, answer: Answer) -> bytes:
    calibrator = "" if answer.calibrator is None else answer.calibrator.id
    return seal_receipt(
        key, answer.scope, calibrator, answer.choice, answer.probabilities, answer.calibrated
    )


def _option_messages(answer: Answer) -> list[scoring_pb2.OptionScore]:
    read = answer.read
    as_asked = read.as_asked
    names = zip(
        read.question.labels,
        as_asked.token_counts,
        as_asked.byte_counts,
        as_asked.greedy.tolist(),
        strict=True,
    )
    numbers = zip(
        # Rounding can put the logprob of a certainty above zero.
        np.minimum(as_asked.logprobs, 0.0).tolist(),
        as_asked.scores.tolist(),
        answer.probabilities.tolist(),
        answer.calibrated.tolist(),
        strict=True,
    )
    messages = [
        scoring_pb2.OptionScore(
            label=label,
            logprob=logprob,
            probability=probability,
            calibrated_probability=calibrated,
            score=score,
            tokens=tokens,
            bytes=size,
            greedy=greedy,
        )
        for (label, tokens, size, greedy), (logprob, score, probability, calibrated) in zip(
            names, numbers, strict=True
        )
    ]
    if as_asked.unconditional is not None:
        for message, logprob in zip(messages, as_asked.unconditional.tolist(), strict=True):
            message.unconditional_logprob = min(logprob, 0.0)
    for message, ways in zip(messages, as_asked.prepared.surfaces, strict=True):
        if len(ways) > 1:
            message.variants.extend(surface for surface, _ in ways)
    return messages


def _calibrator_id(name: str, model: str) -> str | None:
    if not name:
        return None
    owner, calibrator_id = parse_calibrator(name, "calibrator")
    if owner != model:
        raise InvalidInput("calibrator", f"belongs to models/{owner}, not to the model asked")
    return calibrator_id


def _answer_sets(settings: scoring_pb2.ScoreSettings, calibrator: str | None) -> dict[str, SetRule]:
    if not settings.HasField("answer_set"):
        return {}
    rule = settings.answer_set
    with field("answer_set"):
        score = _SET_SCORES.get(rule.method)
        if score is None:
            raise InvalidInput("method", "is required: LAC or APS")
        threshold = _share(rule.threshold, "threshold")
    if calibrator is None:
        raise InvalidInput("calibrator", "is required: a threshold is for one calibrator")
    return {calibrator: SetRule(score, threshold)}


def _share(value: float, name: str) -> float:
    if not 0 <= value <= 1:
        raise InvalidInput(name, "has to be from 0 to 1")
    return value


def _top_tokens(count: int) -> int:
    if not 0 <= count <= MAX_TOP_TOKENS:
        raise InvalidInput("top_tokens", f"has to be from 0 to {MAX_TOP_TOKENS}")
    return count


def _timings(result: ScoreResult, arrived: float) -> scoring_pb2.Timings:
    return scoring_pb2.Timings(
        tokenize_seconds=result.timings.tokenize,
        engine_seconds=result.timings.engine,
        total_seconds=time.perf_counter() - arrived,
    )
