"""Questions → prompts → engine → what a model says of each option. Scores and fits begin here."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trueodds_service import metering
from trueodds_service.concurrency import gather_or_cancel, in_pieces
from trueodds_service.core.arrays.option_scores import (
    mutual_information,
    option_logprobs,
    union_mass,
)
from trueodds_service.core.arrays.order_bias import (
    Order,
    by_option,
    cyclic_average,
    label_prior,
    without_prior,
)
from trueodds_service.engine.base import Outcome, TokenPrompt, Tokens, TokenScore
from trueodds_service.errors import InvalidInput, NotReady, PromptFault, ServiceError, field
from trueodds_service.flows.catalog import ServedModel
from trueodds_service.flows.engine_answers import checked
from trueodds_service.flows.prepare import prepare
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.question import Question, Shot
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading
from trueodds_service.watching import Stage, stage

# An option mass below this is next to nothing. It is told where an option has at most this many
# tokens.
_LOW_MASS = 0.01
_SHORT_OPTION = 2


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
    with meter.prompts() as made:
        with stage(Stage.TOKENIZE):
            shown = await prepare(served, questions, shots, reading, made)
            prepared = [each.prepared for each in shown if isinstance(each.prepared, Prepared)]
            unconditional = await _unconditional(served, prepared, reading)
        tokenized = time.perf_counter()
        prompts = [each.prompt.telling(top_tokens) for each in prepared]
        # Prompts of a call begin alike, so that the engine sees what they share.
        calls = [prompts, list(unconditional.values())] if unconditional else [prompts]
        made.made(sum(each.length for each in chain(*calls)))
        made.ask(len(questions))
        with stage(Stage.ENGINE):
            scores, *without = await gather_or_cancel(served.engine.score(each) for each in calls)
    scored = iter(scores)
    without_question = dict(zip(unconditional, chain(*without), strict=True))
    reads: list[dict[Order, OptionReads] | ServiceError] = [{} for _ in questions]
    async for place, order, question, asked in in_pieces(shown):
        outcome = (
            asked
            if isinstance(asked, InvalidInput)
            else _option_reads(question, asked, next(scored), without_question, reading)
        )
        so_far = reads[place]
        if isinstance(so_far, dict):
            if isinstance(outcome, ServiceError):
                reads[place] = outcome
            else:
                so_far[order] = outcome
    timings = Timings(tokenized - started, time.perf_counter() - tokenized)
    return _corrected(questions, reads, reading), timings


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
    if isinstance(score := checked(score, len(continuations)), PromptFault):
        return score
    places = [[place for _, place in ways] for ways in prepared.surfaces]
    # Without variants the continuations are the options.
    logprobs, greedy = np.array(score.continuations), score.greedy
    option_mass = union_mass(continuations, logprobs)
    if reading.variants:
        logprobs = option_logprobs(logprobs, places)
        greedy = tuple(any(greedy[place] for place in ways) for ways in places)
    unconditional = None
    if reading.normalization is Normalization.PMI:
        without = checked(without_question[_continuations(prepared.prompt)], len(continuations))
        if isinstance(without, PromptFault):
            return without
        unconditional = np.array(without.continuations)
        if reading.variants:
            unconditional = option_logprobs(unconditional, places)
    by_text = reading.format.reads_text or question.option_ids
    names = question.options if by_text else question.labels
    token_counts = (len(continuations[first]) for first, *_ in places)
    scores = _normalized(reading.normalization, logprobs, names, token_counts, unconditional)
    byte_counts = tuple(len(name.encode()) for name in names)
    if not np.isfinite(scores.max()):
        return NotReady("the model gives no option any probability", reason="NO_OPTION_MASS")
    return OptionReads(
        logprobs, scores, byte_counts, unconditional, greedy, option_mass, prepared, score
    )


def _normalized(
    normalization: Normalization,
    logprobs: NDArray[np.float64],
    names: Sequence[str],
    token_counts: Iterable[int],
    unconditional: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """The scores of options, (k,), of these logprobs."""
    match normalization:
        case Normalization.TOKENS:
            lengths = [*token_counts]
        case Normalization.BYTES:
            lengths = [len(name.encode()) for name in names]
        case Normalization.CHARACTERS:
            lengths = [len(name) for name in names]
        case _:
            return (
                logprobs if unconditional is None else mutual_information(logprobs, unconditional)
            )
    return np.asarray(logprobs / np.array(lengths))


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
