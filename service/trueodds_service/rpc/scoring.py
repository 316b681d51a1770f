"""ScoringService: messages in, answers out."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc

from trueodds.v1 import question_pb2, scoring_pb2, scoring_pb2_grpc
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, NotServed, ServiceError
from trueodds_service.flows.calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.score import Answer, ScoreQuery, ScoreResult, score
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.question import Question
from trueodds_service.rpc.names import parse_calibrator, parse_model
from trueodds_service.rpc.questions import parse_format, parse_question, parse_shots, parse_task
from trueodds_service.rpc.status import field, to_status

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Converts; the answer is the flow's."""

    def __init__(self, catalog: Catalog, calibrators: Calibrators, limits: Limits) -> None:
        self._catalog = catalog
        self._calibrators = calibrators
        self._limits = limits

    async def Score(
        self, request: scoring_pb2.ScoreRequest, context: Context
    ) -> scoring_pb2.ScoreResponse:
        arrived = time.perf_counter()
        with field("question"):
            question = parse_question(request.question, self._limits)
        query = self._query(request.settings, (question,))
        result = await score(query, self._catalog, self._calibrators)
        outcome = result.outcomes[0]
        if isinstance(outcome, InvalidInput):
            raise outcome.under("question")
        if isinstance(outcome, ServiceError):
            raise outcome
        return scoring_pb2.ScoreResponse(
            answer=answer_message(outcome), timings=_timings(result, arrived)
        )

    async def BatchScore(
        self, request: scoring_pb2.BatchScoreRequest, context: Context
    ) -> scoring_pb2.BatchScoreResponse:
        arrived = time.perf_counter()
        count = len(request.questions)
        if not 1 <= count <= self._limits.max_items:
            raise InvalidInput(
                "questions", f"has {count} questions; from 1 to {self._limits.max_items}"
            )
        parsed = self._parsed(request.questions)
        questions = tuple(question for question in parsed if isinstance(question, Question))
        query = self._query(request.settings, questions)
        result = await score(query, self._catalog, self._calibrators)
        scored = iter(result.outcomes)
        outcomes = [
            _outcome(next(scored) if isinstance(question, Question) else question, index)
            for index, question in enumerate(parsed)
        ]
        return scoring_pb2.BatchScoreResponse(outcomes=outcomes, timings=_timings(result, arrived))

    def StreamScore(
        self, request_iterator: AsyncIterator[scoring_pb2.StreamScoreRequest], context: Context
    ) -> AsyncIterator[scoring_pb2.StreamScoreResponse]:
        raise NotServed("StreamScore is in the contract and not served by this version")

    def _parsed(self, messages: Sequence[question_pb2.Question]) -> list[Question | InvalidInput]:
        parsed: list[Question | InvalidInput] = []
        for message in messages:
            try:
                parsed.append(parse_question(message, self._limits))
            except InvalidInput as error:
                parsed.append(error)
        return parsed

    def _query(
        self, settings: scoring_pb2.ScoreSettings, questions: tuple[Question, ...]
    ) -> ScoreQuery:
        with field("settings"):
            model = parse_model(settings.model, "model")
            return ScoreQuery(
                model=model,
                task=parse_task(settings.task, "task"),
                format=parse_format(settings.format, "format"),
                shots=parse_shots(settings.shots, self._limits, "shots"),
                calibrator=_calibrator_id(settings.calibrator, model),
                questions=questions,
            )


def answer_message(answer: Answer) -> scoring_pb2.Answer:
    choice = answer.choice
    rows = zip(
        answer.labels,
        answer.logprobs.tolist(),
        answer.probabilities.tolist(),
        answer.calibrated.tolist(),
        strict=True,
    )
    return scoring_pb2.Answer(
        options=[
            scoring_pb2.OptionScore(
                label=label,
                logprob=min(logprob, 0.0),
                probability=probability,
                calibrated_probability=calibrated,
            )
            for label, logprob, probability, calibrated in rows
        ],
        choice=choice,
        confidence=float(answer.probabilities[choice]),
        calibrated_confidence=float(answer.calibrated[choice]),
        calibrated=answer.calibrator is not None,
        calibrator="" if answer.calibrator is None else answer.calibrator.name,
        format_probability=answer.format_probability,
        option_mass=answer.option_mass,
        model_revision=answer.revision,
        format_version=FORMAT_VERSION,
        prompt_tokens=answer.prompt_tokens,
    )


def _outcome(outcome: Answer | ServiceError, index: int) -> scoring_pb2.Outcome:
    if isinstance(outcome, Answer):
        return scoring_pb2.Outcome(answer=answer_message(outcome))
    if isinstance(outcome, InvalidInput):
        outcome = outcome.under(f"questions[{index}]")
    return scoring_pb2.Outcome(error=to_status(outcome))


def _calibrator_id(name: str, model: str) -> str | None:
    if not name:
        return None
    owner, calibrator_id = parse_calibrator(name, "calibrator")
    if owner != model:
        raise InvalidInput("calibrator", f"belongs to models/{owner}, not to the model asked")
    return calibrator_id


def _timings(result: ScoreResult, arrived: float) -> scoring_pb2.Timings:
    return scoring_pb2.Timings(
        tokenize_seconds=result.timings.tokenize,
        engine_seconds=result.timings.engine,
        total_seconds=time.perf_counter() - arrived,
    )
