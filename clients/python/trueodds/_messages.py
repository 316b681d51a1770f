"""Python ↔ messages, for both clients."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import TypeVar

from trueodds import errors
from trueodds._channel import BATCH_BYTES
from trueodds.types import Answer, Calibrator, Example, Format, Method, Model, OptionScore, Question
from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, scoring_pb2

Value = TypeVar("Value", bound=int)
Name = TypeVar("Name")

_FORMATS = {
    Format.LETTER: question_pb2.FORMAT_LETTER,
    Format.PAREN: question_pb2.FORMAT_PAREN,
}
_METHODS = {
    Method.IDENTITY: calibration_pb2.METHOD_IDENTITY,
    Method.CONSTANT: calibration_pb2.METHOD_CONSTANT,
    Method.TEMPERATURE: calibration_pb2.METHOD_TEMPERATURE,
    Method.TEACHER_KL: calibration_pb2.METHOD_TEACHER_KL,
}
_FORMAT_NAMES = {message: name for name, message in _FORMATS.items()}
_METHOD_NAMES = {message: name for name, message in _METHODS.items()}


def model_name(model: str) -> str:
    """``models/x``, from that or from ``x``."""
    return model if model.startswith("models/") else f"models/{model}"


def settings_message(
    model: str, task: str, answer_format: Format, shots: Sequence[Example], calibrator: str | None
) -> scoring_pb2.ScoreSettings:
    return scoring_pb2.ScoreSettings(
        model=model_name(model),
        task=task,
        format=_FORMATS[Format(answer_format)],
        shots=[_shot_message(shot) for shot in shots],
        calibrator=calibrator or "",
    )


def question_message(question: Question) -> question_pb2.Question:
    labels = question.labels
    return question_pb2.Question(
        text=question.text,
        passage=question.passage,
        options=[
            question_pb2.Option(text=option, label=labels[index] if labels else "")
            for index, option in enumerate(question.options)
        ],
    )


def batch_messages(
    settings: scoring_pb2.ScoreSettings, questions: Iterable[Question], size: int
) -> Iterator[scoring_pb2.BatchScoreRequest]:
    """The questions in messages of at most ``size`` of them, and of so many bytes."""
    message, held = scoring_pb2.BatchScoreRequest(settings=settings), 0
    for question in map(question_message, questions):
        held += question.ByteSize()
        if message.questions and (len(message.questions) == size or held > BATCH_BYTES):
            yield message
            message, held = scoring_pb2.BatchScoreRequest(settings=settings), question.ByteSize()
        message.questions.append(question)
    if message.questions:
        yield message


def fit_message(
    model: str,
    task: str,
    answer_format: Format,
    method: Method,
    teacher: str | None,
    temperature: float | None,
    items: Iterable[Example | Question],
    shots: Sequence[Example],
    options: int | None,
    activate: bool,
) -> calibration_pb2.FitCalibratorRequest:
    message = calibration_pb2.FitCalibratorRequest(
        model=model_name(model),
        task=task,
        format=_FORMATS[Format(answer_format)],
        method=_METHODS[Method(method)],
        teacher=model_name(teacher) if teacher else "",
        temperature=temperature,
        activate=activate,
    )
    items = list(items)
    if options is not None:
        if items:
            raise errors.InvalidRequest("options: items have their own", field="options")
        message.options = options
        return message
    message.questions.shots.extend(_shot_message(shot) for shot in shots)
    for item in items:
        question, answer = (
            (item, None) if isinstance(item, Question) else (item.question, item.answer)
        )
        message.questions.items.append(
            calibration_pb2.FitQuestion(question=question_message(question), answer=answer)
        )
    return message


def answer_of(message: scoring_pb2.Answer) -> Answer:
    return Answer(
        options=tuple(
            OptionScore(
                option.label, option.logprob, option.probability, option.calibrated_probability
            )
            for option in message.options
        ),
        choice=message.choice,
        confidence=message.confidence,
        calibrated_confidence=message.calibrated_confidence,
        calibrator=message.calibrator if message.calibrated else None,
        format_probability=message.format_probability,
        option_mass=message.option_mass,
        model_revision=message.model_revision,
        format_version=message.format_version,
        prompt_tokens=message.prompt_tokens,
    )


def outcomes_of(
    message: scoring_pb2.BatchScoreResponse, first: int
) -> list[Answer | errors.TrueoddsError]:
    """One outcome a question; ``first`` is the index of the message's first among all."""
    return [
        answer_of(outcome.answer)
        if outcome.HasField("answer")
        else errors.from_status(outcome.error, index=index)
        for index, outcome in enumerate(message.outcomes, first)
    ]


def calibrator_of(message: calibration_pb2.Calibrator) -> Calibrator:
    scope, provenance = message.scope, message.provenance
    return Calibrator(
        name=message.name,
        model=scope.model,
        model_revision=scope.model_revision,
        task=scope.task,
        format=_known(_FORMAT_NAMES, scope.format, "format"),
        options=scope.options,
        method=_known(_METHOD_NAMES, message.method, "method"),
        temperature=message.temperature,
        at_bound=message.at_bound,
        undetermined=message.undetermined,
        teacher=provenance.teacher or None,
        items=provenance.items,
        created=message.create_time.ToDatetime(tzinfo=UTC),
        active=message.active,
        metrics=dict(message.metrics),
        versions=dict(provenance.versions),
    )


def model_of(message: model_pb2.Model) -> Model:
    return Model(
        name=message.name,
        ready=message.state == model_pb2.STATE_READY,
        revision=message.revision,
        teacher=message.teacher or None,
        formats=tuple(_FORMAT_NAMES[known] for known in message.formats if known in _FORMAT_NAMES),
        max_prompt_tokens=message.limits.max_prompt_tokens,
        max_options=message.limits.max_options,
        max_items=message.limits.max_items,
        engine=message.engine,
        dtype=message.dtype,
    )


def _shot_message(shot: Example) -> question_pb2.Shot:
    if shot.answer is None:
        raise errors.InvalidRequest("shots: each needs its answer", field="shots")
    return question_pb2.Shot(question=question_message(shot.question), answer=shot.answer)


def _known(names: Mapping[Value, Name], value: Value, what: str) -> Name:
    """The name of an enum's value, which a newer server may have more of."""
    if value not in names:
        raise errors.NotServed(f"the server knows a {what} that this client does not: upgrade it")
    return names[value]
