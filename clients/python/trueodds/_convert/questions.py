"""What is asked, and how it is to be read, as messages."""

from dataclasses import asdict

from trueodds import errors
from trueodds._convert.enums import FORMATS, NORMALIZATIONS, ORDERS
from trueodds._numbers import numbers
from trueodds.options import AnyReading
from trueodds.question import Chat, Example, Question, Text, TokenIds
from trueodds.reading import CustomFormat, Format, Normalization, OrderCorrection, Reading
from trueodds.v1 import question_pb2, reading_pb2


def question_message(question: Question) -> question_pb2.Question:
    return question_pb2.Question(
        text=question.text,
        passage=question.passage,
        answer_id=question.answer_id,
        options=option_messages(question),
        prompt=None if question.prompt is None else prompt_message(question.prompt),
    )


def reading_message(reading: AnyReading) -> reading_pb2.Reading:
    if not isinstance(reading, Reading):
        reading = Reading(reading)
    message = reading_pb2.Reading(
        normalization=NORMALIZATIONS[Normalization(reading.normalization)],
        sum_variants=reading.sum_variants,
        order_correction=ORDERS[OrderCorrection(reading.order_correction)],
        label_prior=numbers(reading.label_prior, "label_prior"),
    )
    if isinstance(reading.format, CustomFormat):
        message.format = reading_pb2.FORMAT_CUSTOM
        message.custom_format.CopyFrom(reading_pb2.CustomFormat(**asdict(reading.format)))
    else:
        message.format = FORMATS[Format(reading.format)]
    if reading.unconditional_prompt is not None:
        message.unconditional_prompt.CopyFrom(prompt_message(reading.unconditional_prompt))
    return message


def prompt_message(prompt: str | Text | TokenIds | Chat) -> question_pb2.Prompt:
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


def option_messages(question: Question) -> list[question_pb2.Option]:
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
