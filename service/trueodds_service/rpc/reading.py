"""Messages → readings, checked: every error names its field."""

import math

from trueodds.v1 import question_pb2, reading_pb2
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, field
from trueodds_service.prompts.formats import LETTER, PAREN, PAREN_OPTIONS, TEXT, Format
from trueodds_service.prompts.question import ChatPrompt, Prompt, TextPrompt, TokenIdPrompt
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading

_FORMATS = {
    reading_pb2.FORMAT_UNSPECIFIED: PAREN,
    reading_pb2.FORMAT_LETTER: LETTER,
    reading_pb2.FORMAT_PAREN: PAREN,
    reading_pb2.FORMAT_PAREN_OPTIONS: PAREN_OPTIONS,
    reading_pb2.FORMAT_TEXT: TEXT,
}
FORMATS_SERVED = (
    reading_pb2.FORMAT_LETTER,
    reading_pb2.FORMAT_PAREN,
    reading_pb2.FORMAT_PAREN_OPTIONS,
    reading_pb2.FORMAT_TEXT,
    reading_pb2.FORMAT_CUSTOM,
)
_NORMALIZATIONS = {
    reading_pb2.NORMALIZATION_UNSPECIFIED: Normalization.SUM,
    reading_pb2.NORMALIZATION_SUM: Normalization.SUM,
    reading_pb2.NORMALIZATION_TOKENS: Normalization.TOKENS,
    reading_pb2.NORMALIZATION_BYTES: Normalization.BYTES,
    reading_pb2.NORMALIZATION_CHARACTERS: Normalization.CHARACTERS,
    reading_pb2.NORMALIZATION_PMI: Normalization.PMI,
}
_ORDERS = {
    reading_pb2.ORDER_CORRECTION_UNSPECIFIED: OrderCorrection.NONE,
    reading_pb2.ORDER_CORRECTION_CYCLIC: OrderCorrection.CYCLIC,
    reading_pb2.ORDER_CORRECTION_PRIOR: OrderCorrection.PRIOR,
}

_MAX_TEMPLATE = 10_000
_SUM_TOLERANCE = 1e-6


def parse_reading(message: reading_pb2.Reading, limits: Limits) -> Reading:
    """Raises InvalidInput; its field is relative to the reading."""
    normalization = _NORMALIZATIONS.get(message.normalization)
    if normalization is None:
        raise InvalidInput("normalization", f"{message.normalization} is not a normalization")
    order = _ORDERS.get(message.order_correction)
    if order is None:
        raise InvalidInput("order_correction", f"{message.order_correction} is not a correction")
    return Reading(
        format=_format(message),
        normalization=normalization,
        unconditional=_unconditional(message, normalization),
        variants=message.sum_variants,
        order=order,
        label_prior=_label_prior(message, order, limits),
    )


def parse_prompt(message: question_pb2.Prompt) -> Prompt:
    """Raises InvalidInput; its field is relative to the prompt."""
    source = message.WhichOneof("source")
    if source is None:
        raise InvalidInput("source", "is required: text, special_text, token_ids or chat")
    if source == "token_ids":
        if not message.token_ids.ids:
            raise InvalidInput("token_ids.ids", "is required")
        return TokenIdPrompt(tuple(message.token_ids.ids))
    if source == "chat":
        with field("chat"):
            return _chat(message.chat)
    text = message.text if source == "text" else message.special_text
    if not text:
        raise InvalidInput(source, "is required")
    return TextPrompt(text, special=source == "special_text")


def _chat(message: question_pb2.Chat) -> ChatPrompt:
    if not message.messages:
        raise InvalidInput("messages", "is required")
    for index, each in enumerate(message.messages):
        if not each.role:
            raise InvalidInput(f"messages[{index}].role", "is required")
    messages = tuple((each.role, each.content) for each in message.messages)
    return ChatPrompt(messages, message.answer_prefix)


def _format(message: reading_pb2.Reading) -> Format:
    if message.format == reading_pb2.FORMAT_CUSTOM:
        if not message.HasField("custom_format"):
            raise InvalidInput("custom_format", "is required with FORMAT_CUSTOM")
        with field("custom_format"):
            return _custom(message.custom_format)
    if message.HasField("custom_format"):
        raise InvalidInput("custom_format", "goes with FORMAT_CUSTOM only")
    if message.format not in _FORMATS:
        raise InvalidInput("format", f"{message.format} is not a format")
    return _FORMATS[message.format]


def _custom(message: reading_pb2.CustomFormat) -> Format:
    given = {descriptor.name: value for descriptor, value in message.ListFields()}
    for name, template in given.items():
        if len(template) > _MAX_TEMPLATE:
            raise InvalidInput(name, f"has {len(template)} characters; at most {_MAX_TEMPLATE}")
    custom = Format(**given)
    if custom.question.count("{text}") != 1:
        raise InvalidInput("question", "has to hold {text} once")
    if custom.answer.count("{label}") + custom.answer.count("{text}") != 1:
        raise InvalidInput("answer", "has to hold one of {label} and {text}, once")
    return custom


def _unconditional(message: reading_pb2.Reading, normalization: Normalization) -> Prompt | None:
    if normalization is not Normalization.PMI:
        if message.HasField("unconditional_prompt"):
            raise InvalidInput("unconditional_prompt", "goes with NORMALIZATION_PMI only")
        return None
    with field("unconditional_prompt"):
        return parse_prompt(message.unconditional_prompt)


def _label_prior(
    message: reading_pb2.Reading, order: OrderCorrection, limits: Limits
) -> tuple[float, ...]:
    prior = tuple(message.label_prior)
    if not prior:
        return ()
    if order is not OrderCorrection.PRIOR:
        raise InvalidInput("label_prior", "goes with ORDER_CORRECTION_PRIOR only")
    if not 2 <= len(prior) <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
        raise InvalidInput("label_prior", f"has {len(prior)}; from 2 to {limits.max_options}")
    for index, probability in enumerate(prior):
        if not 0 < probability < 1:
            raise InvalidInput(f"label_prior[{index}]", "has to be above 0 and below 1")
    if not math.isclose(sum(prior), 1, abs_tol=_SUM_TOLERANCE):
        raise InvalidInput("label_prior", "has to sum to 1")
    return prior
