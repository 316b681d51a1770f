"""Settings and questions in messages, and the answers to them."""

from collections.abc import Callable, Iterator, Sequence

from typing_extensions import Unpack

from trueodds import errors
from trueodds._channel import BATCH_BYTES
from trueodds._convert.enums import SET_METHODS
from trueodds._convert.models import model_name
from trueodds._convert.questions import (
    option_messages,
    question_message,
    reading_message,
    shot_message,
)
from trueodds._numbers import number, whole
from trueodds.answer import Answer, AnswerSetMethod, AnswerSetRule, Identity, OptionScore, TopToken
from trueodds.options import SCORE, ScoreOptions, completed
from trueodds.question import Question
from trueodds.v1 import scoring_pb2


def settings_message(
    model: str, task: str = "", **options: Unpack[ScoreOptions]
) -> scoring_pb2.ScoreSettings:
    """What is the same for all questions; a ``calibrator`` has its whole name."""
    told = completed(options, SCORE)
    rule = told["answer_set"]
    return scoring_pb2.ScoreSettings(
        model=model_name(model),
        task=task,
        reading=reading_message(told["reading"]),
        shots=[shot_message(shot) for shot in told["shots"]],
        calibrator=told["calibrator"] or "",
        min_option_mass=number(told["min_option_mass"], "min_option_mass"),
        top_tokens=whole(told["top_tokens"], "top_tokens"),
        min_confidence=number(told["min_confidence"], "min_confidence"),
        answer_set=None if rule is None else _rule_message(rule),
        require_calibrated=told["require_calibrated"],
        receipts=told["receipts"],
    )


def _rule_message(rule: AnswerSetRule) -> scoring_pb2.AnswerSetRule:
    return scoring_pb2.AnswerSetRule(
        method=SET_METHODS[AnswerSetMethod(rule.method)],
        threshold=number(rule.threshold, "answer_set.threshold"),
    )


def batch_messages(
    settings: scoring_pb2.ScoreSettings, questions: Sequence[Question], size: int
) -> Iterator[scoring_pb2.BatchScoreRequest]:
    """The questions in messages that have at most ``size`` of them, and a limited size in bytes.

    Options that are the same for all questions are sent once a message.
    """
    shared = len({(each.options, each.labels, each.option_ids) for each in questions}) == 1
    if shared and len(questions) > 1:
        settings.options.extend(option_messages(questions[0]))
    message, held = scoring_pb2.BatchScoreRequest(settings=settings), 0
    for question in map(question_message, questions):
        if settings.options:
            question.ClearField("options")
        held += question.ByteSize()
        if message.questions and (len(message.questions) == size or held > BATCH_BYTES):
            yield message
            message, held = scoring_pb2.BatchScoreRequest(settings=settings), question.ByteSize()
        message.questions.append(question)
    if message.questions:
        yield message


def stream_messages(
    settings: scoring_pb2.ScoreSettings, first: int, questions: Sequence[Question], size: int
) -> Iterator[tuple[int, scoring_pb2.StreamScoreRequest]]:
    """The same for a stream, each with the index of its first question; ``first`` is that of all.

    Every message has the settings: it may be the first of a stream, when another one broke.
    """
    own = scoring_pb2.ScoreSettings()
    own.CopyFrom(settings)
    for message in batch_messages(own, questions, size):
        yield (
            first,
            scoring_pb2.StreamScoreRequest(settings=message.settings, questions=message.questions),
        )
        first += len(message.questions)


def answer_of(message: scoring_pb2.Answer) -> Answer:
    identity = message.identity
    return Answer(
        options=tuple(_option_of(option) for option in message.options),
        choice=message.choice,
        confidence=message.confidence,
        calibrated_confidence=message.calibrated_confidence,
        calibrator=message.calibrator if message.calibrated else None,
        format_probability=message.format_probability,
        option_mass=message.option_mass,
        entropy=message.entropy,
        abstained=message.abstained,
        identity=Identity(
            identity.model_revision,
            identity.tokenizer_revision,
            identity.format_version,
            identity.engine,
            identity.dtype,
        ),
        prompt_tokens=message.prompt_tokens,
        top_tokens=tuple(TopToken(top.id, top.text, top.logprob) for top in message.top_tokens),
        permutations=tuple(tuple(order.options) for order in message.permutations),
        label_prior=tuple(message.label_prior),
        answer_set=tuple(message.answer_set),
        low_option_mass=message.low_option_mass,
        raw_because=message.raw_because,
        calibration_stale=message.calibration_stale,
        receipt=message.receipt,
        answered_by=message.answered_by or None,
        cascade_calibrator=message.cascade_calibrator or None,
        skipped_because=message.skipped_because,
        cached_tokens=message.cached_tokens,
        cost=message.cost,
        kept=message.kept if message.HasField("kept") else None,
    )


def _option_of(message: scoring_pb2.OptionScore) -> OptionScore:
    return OptionScore(
        label=message.label,
        logprob=message.logprob,
        probability=message.probability,
        calibrated_probability=message.calibrated_probability,
        score=message.score,
        tokens=message.tokens,
        bytes=message.bytes,
        unconditional_logprob=(
            message.unconditional_logprob if message.HasField("unconditional_logprob") else None
        ),
        variants=tuple(message.variants),
        greedy=message.greedy,
    )


def outcomes_of(
    message: scoring_pb2.BatchScoreResponse | scoring_pb2.StreamScoreResponse, first: int
) -> list[Answer | errors.TrueoddsError]:
    """One outcome a question; ``first`` is the index of the message's first among all."""
    return [
        answer_of(outcome.answer)
        if outcome.HasField("answer")
        else errors.from_status(outcome.error, index=index)
        for index, outcome in enumerate(message.outcomes, first)
    ]


def take(
    response: scoring_pb2.BatchScoreResponse,
    outcomes: list[Answer | errors.TrueoddsError],
    total: int,
    progress: Callable[[int, int], None] | None,
    on_outcome: Callable[[int, Answer | errors.TrueoddsError], None] | None,
) -> None:
    """Puts the outcomes of the next message behind those that are there, and tells who asked."""
    first = len(outcomes)
    outcomes += outcomes_of(response, first)
    if on_outcome is not None:
        for index, outcome in enumerate(outcomes[first:], first):
            on_outcome(index, outcome)
    if progress is not None:
        progress(len(outcomes), total)
