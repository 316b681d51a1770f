"""Questions → prompts in tokens, one for each order of the options in which a question is asked."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from trueodds_service import metering
from trueodds_service.core.arrays.order_bias import Order, cyclic_orders
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.catalog import ServedModel
from trueodds_service.prompts.formats import asked_length, worked_length
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.question import Kind, Question, Shot
from trueodds_service.prompts.reading import OrderCorrection, Reading

# PriDe estimates the prior on a twentieth of the questions; fewer than these are too noisy.
_PRIOR_SHARE = 0.05
_PRIOR_QUESTIONS = 8

# Tokenised in a few milliseconds at most, and in less than half of one where the tokens of the
# worked examples are known: no more, for meanwhile all others of this process wait. They wait a
# little longer for a caller who asks nothing else, but not for one who asks much at once.
_SHORT_CHARACTERS = 30_000
_SHORT_QUESTION_CHARACTERS = 1_000
_ONLY_QUESTION_CHARACTERS = 4_000
# A piece has about this many characters, which are tokenised in some seconds at most, and at least
# this many prompts, however long they are.
_PIECE_CHARACTERS = 2**19
_PIECE_PROMPTS = 16


class Shown(NamedTuple):
    """A question, by its place, with its options in an order, and its prompt."""

    place: int
    order: Order
    question: Question
    prepared: Prepared | InvalidInput


async def prepare(
    served: ServedModel,
    questions: Sequence[Question],
    shots: Sequence[Shot],
    reading: Reading,
    prompts: metering.Prompts,
) -> list[Shown]:
    """Every prompt in tokens, piece by piece, as ``prompts`` is told: a short request can stand for
    more prompts than there is memory for, and is refused before they are made; and whoever leaves
    is noticed.
    """
    tokens = 0
    shown: list[Shown] = []
    wrong: set[int] = set()
    for piece in _pieces(questions, shots, reading):
        # In another order it would be as wrong.
        placed = [(place, order) for place, order in piece if place not in wrong]
        in_order = [_in_order(questions[place], order) for place, order in placed]
        prepared = await _prepared(served, in_order, shots, reading)
        for (place, order), question, each in zip(placed, in_order, prepared, strict=True):
            shown.append(Shown(place, order, question, each))
            if isinstance(each, Prepared):
                tokens += each.prompt.length
            else:
                wrong.add(place)
        prompts.made(tokens)
    return shown


def _pieces(
    questions: Sequence[Question], shots: Sequence[Shot], reading: Reading
) -> Iterator[list[tuple[int, Order]]]:
    """What ``_orders`` gives, in pieces of about ``_PIECE_CHARACTERS``. Few questions are one:
    prompts of a piece are tokenised together where they begin alike.
    """
    beside = worked_length(shots, reading.format)
    lengths = [beside + asked_length(question, reading.format) for question in questions]
    piece: list[tuple[int, Order]] = []
    characters = 0
    for place, order in _orders(questions, reading):
        piece.append((place, order))
        characters += lengths[place]
        if characters >= _PIECE_CHARACTERS and len(piece) >= _PIECE_PROMPTS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


async def _prepared(
    served: ServedModel, questions: Sequence[Question], shots: Sequence[Shot], reading: Reading
) -> list[Prepared | InvalidInput]:
    """The prompts in tokens: in a thread, unless that would cost more than a short prompt does.

    In a process that is busy a thread waits for Python's lock, tens of milliseconds at worst.
    """
    prepare = served.tokenizer.prepare
    if len(questions) == 1 and _is_short(questions[0], shots, reading):
        return prepare(questions, shots, reading)
    return await asyncio.to_thread(prepare, questions, shots, reading)


def _is_short(question: Question, shots: Sequence[Shot], reading: Reading) -> bool:
    if question.prompt is not None:
        return False
    written = reading.format
    length = asked_length(question, written)
    only = metering.current().is_only
    if length > (_ONLY_QUESTION_CHARACTERS if only else _SHORT_QUESTION_CHARACTERS):
        return False
    length += worked_length(shots, written)
    # Some tokenizers have to read the whole prompt with each option after it.
    ways = len(question.options) * (2 if reading.variants else 1)
    return length * (1 + ways) <= _SHORT_CHARACTERS


def _orders(questions: Sequence[Question], reading: Reading) -> Iterator[tuple[int, Order]]:
    """The place and order of every prompt: each question in its own order, and where order is
    corrected some of them in others.
    """
    counts: dict[int, list[int]] = {}
    for index, question in enumerate(questions):
        counts.setdefault(len(question.options), []).append(index)
    in_all_orders: set[int] = set()
    if reading.order is OrderCorrection.CYCLIC:
        # The labels of other decisions are answers by themselves.
        in_all_orders = {
            index for index, each in enumerate(questions) if each.kind in (None, Kind.CHOICE)
        }
    elif reading.order is OrderCorrection.PRIOR and not reading.label_prior:
        for places in counts.values():
            wanted = max(_PRIOR_QUESTIONS, math.ceil(_PRIOR_SHARE * len(places)))
            wanted = min(wanted, len(places))
            # Spread evenly: questions often come sorted by subject.
            in_all_orders |= {places[each * len(places) // wanted] for each in range(wanted)}
    for index, question in enumerate(questions):
        orders = cyclic_orders(len(question.options))
        for order in orders if index in in_all_orders else orders[:1]:
            yield index, order


def _in_order(question: Question, order: Order) -> Question:
    """The question with its options in an order; the labels stay at their places."""
    if order == tuple(range(len(order))):
        return question
    return replace(question, options=tuple(question.options[option] for option in order))
