"""Python ↔ messages, for both clients."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timezone
from typing import TypeVar

from typing_extensions import Unpack

from trueodds import errors
from trueodds._channel import BATCH_BYTES
from trueodds.options import SCORE, AnyReading, ScoreOptions, completed
from trueodds.types import (
    Answer,
    AnswerSetMethod,
    AnswerSetRule,
    BiasCorrection,
    Calibrator,
    Candidate,
    Chat,
    CustomFormat,
    Example,
    Format,
    Identity,
    Method,
    Model,
    ModelState,
    Normalization,
    OptionScore,
    OrderCorrection,
    Prior,
    Question,
    Reading,
    Selection,
    Text,
    TokenIds,
    TopToken,
)
from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, reading_pb2, scoring_pb2

Value = TypeVar("Value", bound=int)
Name = TypeVar("Name")

_FORMATS = {
    Format.LETTER: reading_pb2.FORMAT_LETTER,
    Format.PAREN: reading_pb2.FORMAT_PAREN,
    Format.PAREN_OPTIONS: reading_pb2.FORMAT_PAREN_OPTIONS,
    Format.TEXT: reading_pb2.FORMAT_TEXT,
}
_NORMALIZATIONS = {
    Normalization.SUM: reading_pb2.NORMALIZATION_SUM,
    Normalization.TOKENS: reading_pb2.NORMALIZATION_TOKENS,
    Normalization.BYTES: reading_pb2.NORMALIZATION_BYTES,
    Normalization.CHARACTERS: reading_pb2.NORMALIZATION_CHARACTERS,
    Normalization.PMI: reading_pb2.NORMALIZATION_PMI,
}
_ORDERS = {
    OrderCorrection.NONE: reading_pb2.ORDER_CORRECTION_UNSPECIFIED,
    OrderCorrection.CYCLIC: reading_pb2.ORDER_CORRECTION_CYCLIC,
    OrderCorrection.PRIOR: reading_pb2.ORDER_CORRECTION_PRIOR,
}
METHODS = {method: calibration_pb2.Method.Value(f"METHOD_{method.name}") for method in Method}
METHOD_NAMES = {message: name for name, message in METHODS.items()}
SET_METHODS = {
    AnswerSetMethod.LAC: scoring_pb2.ANSWER_SET_METHOD_LAC,
    AnswerSetMethod.APS: scoring_pb2.ANSWER_SET_METHOD_APS,
}
STATES = {
    model_pb2.STATE_STARTING: ModelState.STARTING,
    model_pb2.STATE_READY: ModelState.READY,
    model_pb2.STATE_LOST: ModelState.LOST,
    model_pb2.STATE_FAILED: ModelState.FAILED,
}
CORRECTIONS = {
    calibration_pb2.BIAS_CORRECTION_UNSPECIFIED: BiasCorrection.NONE,
    calibration_pb2.BIAS_CORRECTION_BATCH: BiasCorrection.BATCH,
    calibration_pb2.BIAS_CORRECTION_CONTEXTUAL: BiasCorrection.CONTEXTUAL,
}

# A calibrator's name whose id, of 16 digits, is not whole.
_SHORT = re.compile("(models/[^/]+)/calibrators/([0-9a-f]{1,15})")


def model_name(model: str) -> str:
    """``models/x``, from that or from ``x``."""
    return model if model.startswith("models/") else f"models/{model}"


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
        min_option_mass=told["min_option_mass"],
        top_tokens=told["top_tokens"],
        min_confidence=told["min_confidence"],
        answer_set=None if rule is None else _rule_message(rule),
        require_calibrated=told["require_calibrated"],
        receipts=told["receipts"],
    )


def _rule_message(rule: AnswerSetRule) -> scoring_pb2.AnswerSetRule:
    return scoring_pb2.AnswerSetRule(
        method=SET_METHODS[AnswerSetMethod(rule.method)], threshold=rule.threshold
    )


def question_message(question: Question) -> question_pb2.Question:
    return question_pb2.Question(
        text=question.text,
        passage=question.passage,
        options=_option_messages(question),
        prompt=None if question.prompt is None else _prompt_message(question.prompt),
    )


def batch_messages(
    settings: scoring_pb2.ScoreSettings, questions: Sequence[Question], size: int
) -> Iterator[scoring_pb2.BatchScoreRequest]:
    """The questions in messages of at most ``size`` of them, and of so many bytes.

    Options that are the same for all questions are sent once a message.
    """
    shared = len({(each.options, each.labels, each.option_ids) for each in questions}) == 1
    if shared and len(questions) > 1:
        settings.options.extend(_option_messages(questions[0]))
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


def tokenize_messages(
    model: str, prompts: Iterable[str | Text | TokenIds | Chat], size: int
) -> Iterator[model_pb2.TokenizeRequest]:
    """The prompts in messages of at most ``size`` of them, and of so many bytes."""
    message, held = model_pb2.TokenizeRequest(name=model_name(model)), 0
    for prompt in map(_prompt_message, prompts):
        held += prompt.ByteSize()
        if message.prompts and (len(message.prompts) == size or held > BATCH_BYTES):
            yield message
            message, held = model_pb2.TokenizeRequest(name=message.name), prompt.ByteSize()
        message.prompts.append(prompt)
    if message.prompts:
        yield message


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


def are_ready(models: Sequence[Model], wanted: str | None) -> bool:
    """Whether all models are ready, or the wanted one. Raises when that cannot become so."""
    name = None if wanted is None else model_name(wanted)
    chosen = [model for model in models if name is None or model.name == name]
    if name is not None and not chosen:
        raise errors.NotFound(f"{name} is no model of this server", reason="NOT_FOUND")
    for model in chosen:
        if model.state is ModelState.FAILED:
            raise errors.ModelFailed(
                f"{model.name} cannot come up: {model.state_cause}", reason="MODEL_FAILED"
            )
    return all(model.ready for model in chosen)


def calibrator_parts(name: str, model: str) -> tuple[str, str]:
    """The model, and how the id begins; that is empty where the name is whole, or none at all."""
    path = _SHORT.fullmatch(name)
    if path is not None:
        return path[1], path[2]
    return model, "" if "/" in name else name


def only_calibrator(start: str, names: Sequence[str]) -> str:
    """The one of these names whose id is ``start`` or begins with it."""
    found = [name for name in names if name.rpartition("/")[2].startswith(start)]
    found = [name for name in found if name.endswith(f"/{start}")] or found
    if not found:
        raise errors.NotFound(f"no calibrator's id begins with {start!r}", reason="NOT_FOUND")
    if len(found) > 1:
        raise errors.InvalidRequest(
            f"{start!r} begins the ids of {len(found)} calibrators: say more of it",
            reason="AMBIGUOUS_NAME",
            field="name",
        )
    return found[0]


def calibrator_names(page: calibration_pb2.ListCalibratorsResponse) -> list[str]:
    """The names of a page's calibrators, those whose records are damaged among them."""
    return [each.name for each in page.calibrators] + [each.name for each in page.damaged]


def calibrator_of(message: calibration_pb2.Calibrator) -> Calibrator:
    scope, provenance = message.scope, message.provenance
    return Calibrator(
        name=message.name,
        model=scope.model,
        model_revision=scope.model_revision,
        task=scope.task,
        reading=scope.reading,
        options=scope.options,
        method=known(METHOD_NAMES, message.method, "method"),
        temperature=message.temperature if message.HasField("temperature") else None,
        at_bound=message.at_bound,
        undetermined=message.undetermined,
        teacher=provenance.teacher or None,
        items=provenance.items,
        created=message.create_time.ToDatetime(tzinfo=timezone.utc),
        active=message.active,
        metrics=dict(message.metrics),
        versions=dict(provenance.versions),
        format_version=scope.format_version,
        parameters={name: tuple(each.values) for name, each in message.parameters.items()},
        keeps_choice=message.keeps_choice,
        bias_correction=known(CORRECTIONS, message.bias_correction, "bias correction"),
        fallback=message.fallback,
        degenerate=message.degenerate,
        selection=_selection_of(message.selection) if message.HasField("selection") else None,
        labelled=provenance.labelled,
        data_hash=provenance.data_hash,
        prompts_hash=provenance.prompts_hash,
        teacher_revision=provenance.teacher_revision or None,
        teacher_reading=provenance.teacher_reading or None,
        prior=_prior_of(provenance.prior) if provenance.HasField("prior") else None,
    )


def _selection_of(message: calibration_pb2.Selection) -> Selection:
    candidates = tuple(
        Candidate(
            method=known(METHOD_NAMES, each.method, "method"),
            score=each.score if each.HasField("score") else None,
            standard_error=each.standard_error if each.HasField("standard_error") else None,
            excluded=each.excluded,
        )
        for each in message.candidates
    )
    return Selection(message.criterion, message.reason, candidates)


def _prior_of(message: calibration_pb2.Prior) -> Prior:
    return Prior(message.mean, message.standard_deviation, tuple(message.calibrators))


def model_of(message: model_pb2.Model) -> Model:
    return Model(
        name=message.name,
        ready=message.state == model_pb2.STATE_READY,
        revision=message.revision,
        teacher=message.teacher or None,
        base=message.base or None,
        tokenizer_revision=message.tokenizer_revision,
        max_prompt_tokens=message.limits.max_prompt_tokens,
        max_options=message.limits.max_options,
        max_items=message.limits.max_items,
        prefix_token_id=message.prefix_token_id if message.HasField("prefix_token_id") else None,
        engine=message.engine,
        dtype=message.dtype,
        # A state that this client does not know is none in which the model answers.
        state=STATES.get(message.state, ModelState.STARTING),
        state_cause=message.state_cause,
        calibration_stale_seconds=message.calibration_stale_seconds,
    )


def reading_message(reading: AnyReading) -> reading_pb2.Reading:
    if not isinstance(reading, Reading):
        reading = Reading(reading)
    message = reading_pb2.Reading(
        normalization=_NORMALIZATIONS[Normalization(reading.normalization)],
        sum_variants=reading.sum_variants,
        order_correction=_ORDERS[OrderCorrection(reading.order_correction)],
        label_prior=reading.label_prior,
    )
    if isinstance(reading.format, CustomFormat):
        message.format = reading_pb2.FORMAT_CUSTOM
        message.custom_format.CopyFrom(reading_pb2.CustomFormat(**asdict(reading.format)))
    else:
        message.format = _FORMATS[Format(reading.format)]
    if reading.unconditional_prompt is not None:
        message.unconditional_prompt.CopyFrom(_prompt_message(reading.unconditional_prompt))
    return message


def _prompt_message(prompt: str | Text | TokenIds | Chat) -> question_pb2.Prompt:
    if isinstance(prompt, TokenIds):
        return question_pb2.Prompt(token_ids=question_pb2.TokenIds(ids=prompt.ids))
    if isinstance(prompt, Chat):
        messages = [question_pb2.ChatMessage(**message) for message in prompt.messages]
        chat = question_pb2.Chat(messages=messages, answer_prefix=prompt.answer_prefix)
        return question_pb2.Prompt(chat=chat)
    text = prompt if isinstance(prompt, Text) else Text(prompt)
    if text.special_tokens:
        return question_pb2.Prompt(special_text=text.text)
    return question_pb2.Prompt(text=text.text)


def _option_messages(question: Question) -> list[question_pb2.Option]:
    labels, ids = question.labels, question.option_ids
    return [
        question_pb2.Option(
            text=option,
            label=labels[index] if labels else "",
            token_ids=ids[index] if ids else (),
        )
        for index, option in enumerate(question.options)
    ]


def shot_message(shot: Example) -> question_pb2.Shot:
    if shot.answer is None:
        raise errors.InvalidRequest("shots: each needs its answer", field="shots")
    return question_pb2.Shot(question=question_message(shot.question), answer=shot.answer)


def known(names: Mapping[Value, Name], value: Value, what: str) -> Name:
    """The name of an enum's value, which a newer server may have more of."""
    if value not in names:
        raise errors.NotServed(f"the server knows a {what} that this client does not: upgrade it")
    return names[value]
