"""Questions → prompts → engine → what a model says of each option. Scores and fits begin here."""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trueodds_service import metering
from trueodds_service.concurrency import gather_or_cancel, in_pieces
from trueodds_service.core.arrays.option_scores import option_logprobs, union_mass
from trueodds_service.core.arrays.order_bias import (
    Order,
    by_option,
    cyclic_average,
    cyclic_orders,
    label_prior,
    without_prior,
)
from trueodds_service.engine.base import Outcome, TokenPrompt, Tokens, TokenScore
from trueodds_service.errors import InvalidInput, NotReady, PromptFault, ServiceError, field
from trueodds_service.flows.catalog import ServedModel
from trueodds_service.flows.sound import sound
from trueodds_service.prompts.formats import asked_length, worked_length
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.question import Kind, Question, Shot
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading
from trueodds_service.watching import Stage, stage

# PriDe estimates the prior on a twentieth of the questions; fewer than these are too noisy.
_PRIOR_SHARE = 0.05
_PRIOR_QUESTIONS = 8

# An option mass below this is next to nothing. It is told where an option has at most this many
# tokens.
_LOW_MASS = 0.01
_SHORT_OPTION = 2

# Tokenised in a few milliseconds at most, and in less than half of one where the tokens of the
# worked examples are known: no more, for meanwhile all others of this process wait.
_SHORT_CHARACTERS = 30_000
_SHORT_QUESTION_CHARACTERS = 1_000
# A piece has about this many characters, which are tokenised in some seconds at most, and at least
# this many prompts, however long they are.
_PIECE_CHARACTERS = 2**19
_PIECE_PROMPTS = 16


@dataclass(frozen=True, slots=True)
class OptionReads:
    """What was read of a question's k options under one order, as arrays of shape (k,).

    ``logprobs`` are raw and in nats, ``scores`` what the normalization makes of them.
    ``unconditional`` are the logprobs after the unconditional prompt, for PMI. ``greedy`` is
    whether greedy decoding would write the option, in one of its ways. ``byte_counts`` are
    those of what names each option, in UTF-8. ``option_mass`` is how much of the probability of
    what follows the options hold between them.
    """

    logprobs: NDArray[np.float64]
    scores: NDArray[np.float64]
    byte_counts: tuple[int, ...]
    unconditional: NDArray[np.float64] | None
    greedy: tuple[bool, ...]
    option_mass: float
    prepared: Prepared
    engine: TokenScore

    @property
    def token_counts(self) -> tuple[int, ...]:
        continuations = self.prepared.prompt.continuations
        return tuple(len(continuations[ways[0][1]]) for ways in self.prepared.surfaces)

    @property
    def format_probability(self) -> float:
        """p(F | x): of the format identifier, or the option mass where the format has none."""
        if not self.prepared.prompt.identifier:
            return self.option_mass
        return math.exp(min(self.engine.identifier, 0.0))

    @property
    def low_option_mass(self) -> bool | None:
        """Whether all that was read holds next to nothing of the probability of what follows.

        None where that says nothing: of one option, and of options that are all long texts,
        which are unlikely for their length.
        """
        if len(self.logprobs) == 1 or min(self.token_counts) > _SHORT_OPTION:
            return None
        joint = self.option_mass
        if self.prepared.prompt.identifier:
            joint *= self.format_probability
        return joint < _LOW_MASS


@dataclass(frozen=True, slots=True)
class Read:
    """What a model says to a question of k options.

    ``as_asked`` is what was read in the question's own order. ``scores``, shape (k,), are what
    the answer distribution is the softmax of: the order's correction is in them.
    ``orders`` are those that were averaged, ``prior`` is what was divided out; empty without.
    ``prompt_tokens`` are those of its prompts in all orders that it was asked in, of which the
    engine had ``cached_tokens`` in its cache.
    """

    question: Question
    key: str
    as_asked: OptionReads
    scores: NDArray[np.float64]
    prompt_tokens: int
    cached_tokens: int
    orders: tuple[Order, ...] = ()
    prior: tuple[float, ...] = ()


_Continuations: TypeAlias = tuple[Tokens, tuple[Tokens, ...]]


class Timings(NamedTuple):
    """Seconds: until the prompts were ready, and from there until the engine had answered."""

    tokenize: float
    engine: float


async def read(
    served: ServedModel,
    questions: Sequence[Question],
    shots: Sequence[Shot],
    reading: Reading,
    *,
    top_tokens: int = 0,
) -> tuple[list[Read | ServiceError], Timings]:
    """What a model says to each question, or why it cannot; the order is kept.

    Raises InvalidInput for what is wrong with the reading itself, and what the meter raises. Where
    an engine has too much to do that is told first, before it is seen in tokens what is wrong with
    the questions; where there are none, nothing is asked of it.
    """
    meter = metering.current()
    if questions:
        meter.check()
        served.engine.check_room(len(questions))
    started = time.perf_counter()
    with stage(Stage.TOKENIZE):
        shown = await _shown(served, questions, shots, reading)
        sound_ones = [each.prepared for each in shown if isinstance(each.prepared, Prepared)]
        unconditional = await _unconditional(served, sound_ones, reading)
    tokenized = time.perf_counter()
    good = [each.prompt.telling(top_tokens) for each in sound_ones]
    # Prompts of a call begin alike, so that the engine sees what they share.
    calls = [good, list(unconditional.values())] if unconditional else [good]
    tokens = sum(each.length for each in chain(*calls))
    with stage(Stage.ENGINE), meter.asking(len(questions), tokens):
        scores, *without = await gather_or_cancel(served.engine.score(each) for each in calls)
    scored = iter(scores)
    without_question = dict(zip(unconditional, chain(*without), strict=True))
    reads: list[dict[Order, OptionReads] | ServiceError] = [{} for _ in questions]
    async for place, order, question, prepared in in_pieces(shown):
        outcome = (
            prepared
            if isinstance(prepared, InvalidInput)
            else _option_reads(question, prepared, next(scored), without_question, reading)
        )
        so_far = reads[place]
        if isinstance(so_far, dict):
            if isinstance(outcome, ServiceError):
                reads[place] = outcome
            else:
                so_far[order] = outcome
    timings = Timings(tokenized - started, time.perf_counter() - tokenized)
    return _corrected(questions, reads, reading), timings


async def _shown(
    served: ServedModel, questions: Sequence[Question], shots: Sequence[Shot], reading: Reading
) -> list["_Shown"]:
    """Every prompt in tokens, piece by piece: a short request can stand for more prompts than
    there is memory for, and is refused before they are made; and whoever leaves is noticed.
    """
    meter, tokens = metering.current(), 0
    shown: list[_Shown] = []
    wrong: set[int] = set()
    for piece in _pieces(questions, shots, reading):
        # In another order it would be as wrong.
        placed = [(place, order) for place, order in piece if place not in wrong]
        in_order = [_in_order(questions[place], order) for place, order in placed]
        prepared = await _prepared(served, in_order, shots, reading)
        for (place, order), question, each in zip(placed, in_order, prepared, strict=True):
            shown.append(_Shown(place, order, question, each))
            if isinstance(each, Prepared):
                tokens += each.prompt.length
            else:
                wrong.add(place)
        meter.preparing(tokens)
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
    """The prompts in tokens: in a thread, unless that would cost more than a short prompt does."""
    prepare = served.tokenizer.prepare
    if len(questions) == 1 and _is_short(questions[0], shots, reading):
        return prepare(questions, shots, reading)
    return await asyncio.to_thread(prepare, questions, shots, reading)


def _is_short(question: Question, shots: Sequence[Shot], reading: Reading) -> bool:
    if question.prompt is not None:
        return False
    written = reading.format
    length = asked_length(question, written)
    if length > _SHORT_QUESTION_CHARACTERS:
        return False
    length += worked_length(shots, written)
    # Some tokenizers have to read the whole prompt with each option after it.
    ways = len(question.options) * (2 if reading.variants else 1)
    return length * (1 + ways) <= _SHORT_CHARACTERS


class _Shown(NamedTuple):
    """A question, by its place, with its options in an order, and its prompt."""

    place: int
    order: Order
    question: Question
    prepared: Prepared | InvalidInput


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
            in_all_orders |= set(places[:wanted])
    for index, question in enumerate(questions):
        orders = cyclic_orders(len(question.options))
        for order in orders if index in in_all_orders else orders[:1]:
            yield index, order


def _in_order(question: Question, order: Order) -> Question:
    """The question with its options in an order; the labels stay at their places."""
    if order == tuple(range(len(order))):
        return question
    return replace(question, options=tuple(question.options[option] for option in order))


def _continuations(prompt: TokenPrompt) -> _Continuations:
    return prompt.identifier, prompt.continuations


async def _unconditional(
    served: ServedModel, prepared: Sequence[Prepared], reading: Reading
) -> dict[_Continuations, TokenPrompt]:
    """The same continuations after the prompt without the question, for PMI."""
    if reading.unconditional is None:
        return {}
    with field("reading.unconditional_prompt"):
        ids = await asyncio.to_thread(served.tokenizer.encode, reading.unconditional)
    prompts = (each.prompt for each in prepared)
    found = {_continuations(each): each.after(ids) for each in prompts}
    needed = max((each.total_length for each in found.values()), default=0)
    room = served.max_prompt_tokens + 1
    if needed > room:
        raise InvalidInput(
            "reading.unconditional_prompt",
            f"it and the longest option are {needed} tokens long; the model reads at most {room}",
            reason="PROMPT_TOO_LONG",
        )
    return found


def _option_reads(
    question: Question,
    prepared: Prepared,
    score: Outcome,
    without_question: Mapping[_Continuations, Outcome],
    reading: Reading,
) -> OptionReads | ServiceError:
    continuations = prepared.prompt.continuations
    if isinstance(score := sound(score, len(continuations)), PromptFault):
        return score
    places = [[place for _, place in ways] for ways in prepared.surfaces]
    # Without variants the continuations are the options.
    logprobs, greedy = np.array(score.continuations), score.greedy
    option_mass = union_mass(continuations, logprobs)
    if reading.variants:
        logprobs = option_logprobs(logprobs, places)
        greedy = tuple(any(greedy[place] for place in ways) for ways in places)
    by_text = reading.format.reads_text or question.option_ids
    names = question.options if by_text else question.labels
    byte_counts = tuple(len(name.encode()) for name in names)
    scores, unconditional = logprobs, None
    if reading.normalization is Normalization.TOKENS:
        scores = logprobs / np.array([len(continuations[first]) for first, *_ in places])
    elif reading.normalization is Normalization.BYTES:
        scores = logprobs / np.array(byte_counts)
    elif reading.normalization is Normalization.CHARACTERS:
        scores = logprobs / np.array([len(name) for name in names])
    elif reading.normalization is Normalization.PMI:
        without = sound(without_question[_continuations(prepared.prompt)], len(continuations))
        if isinstance(without, PromptFault):
            return without
        unconditional = np.array(without.continuations)
        if reading.variants:
            unconditional = option_logprobs(unconditional, places)
        ruled_out = np.isneginf(logprobs)
        scores = np.where(ruled_out, -np.inf, logprobs - np.where(ruled_out, 0.0, unconditional))
    if not np.isfinite(scores.max()):
        return NotReady("the model gives no option any probability", reason="NO_OPTION_MASS")
    return OptionReads(
        logprobs, scores, byte_counts, unconditional, greedy, option_mass, prepared, score
    )


def _corrected(
    questions: Sequence[Question],
    reads: Sequence[Mapping[Order, OptionReads] | ServiceError],
    reading: Reading,
) -> list[Read | ServiceError]:
    """The reads of each question as one, with the order's correction."""
    outcomes: list[Read | ServiceError] = []
    priors = _priors(reads, reading)
    for question, by_order in zip(questions, reads, strict=True):
        if isinstance(by_order, ServiceError):
            outcomes.append(by_order)
            continue
        as_asked = next(iter(by_order.values()))
        scores = as_asked.scores
        orders: tuple[Order, ...] = ()
        prior: tuple[float, ...] = ()
        if reading.order is OrderCorrection.CYCLIC:
            orders = tuple(by_order)
            scores = cyclic_average(
                [by_option(each.scores, order) for order, each in by_order.items()]
            )
        elif reading.order is OrderCorrection.PRIOR:
            prior = priors.get(len(question.options), ())
            if len(prior) != len(question.options):
                outcomes.append(_no_prior(reading, len(question.options)))
                continue
            scores = without_prior(scores, prior)
        outcomes.append(
            Read(
                question=question,
                key=reading.key(question),
                as_asked=as_asked,
                scores=scores,
                prompt_tokens=sum(each.prepared.prompt.length for each in by_order.values()),
                cached_tokens=sum(each.engine.cached_tokens for each in by_order.values()),
                orders=orders,
                prior=prior,
            )
        )
    return outcomes


def _priors(
    reads: Sequence[Mapping[Order, OptionReads] | ServiceError], reading: Reading
) -> dict[int, tuple[float, ...]]:
    """The prior over the labels for each number of options: given, or estimated."""
    if reading.order is not OrderCorrection.PRIOR:
        return {}
    if reading.label_prior:
        return {len(reading.label_prior): reading.label_prior}
    in_all_orders: dict[int, list[list[NDArray[np.float64]]]] = {}
    for by_order in reads:
        if isinstance(by_order, ServiceError) or len(by_order) == 1:
            continue
        scores = [each.scores for each in by_order.values()]
        if np.isfinite(scores).all():
            in_all_orders.setdefault(len(by_order), []).append(scores)
    return {count: tuple(label_prior(scores).tolist()) for count, scores in in_all_orders.items()}


def _no_prior(reading: Reading, options: int) -> ServiceError:
    if reading.label_prior:
        given = len(reading.label_prior)
        return InvalidInput("options", f"are {options}, and label_prior is for {given}")
    return NotReady("no question told the prior over the labels", reason="NO_LABEL_PRIOR")
