"""The items of a fit or an evaluation: what the caller gives, and what models say of it."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueodds_service.errors import InvalidInput, NotReady, ServiceError
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.catalog import ModelEntry, ServedModel
from trueodds_service.flows.read import Read, read
from trueodds_service.prompts.question import Kind, Question, Shot
from trueodds_service.prompts.reading import Reading

# Prompts scored between two reports of progress.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class FitQuestions:
    """Questions for the service to score, and their answers, (n,): -1 where one is not known.

    ``teacher_shots`` are what the teacher is shown instead of ``shots``; empty for the same.
    """

    shots: tuple[Shot, ...]
    questions: tuple[Question, ...]
    answers: NDArray[np.int64]
    teacher_shots: tuple[Shot, ...] = ()


@dataclass(frozen=True, slots=True)
class NoData:
    """For methods that need none: the number of options that the calibrator is for; 0 for any.

    ``kind`` is that of the decisions that it is for; None for other questions.
    """

    options: int
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Prompts scored so far, and in all."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions for one model. ``field`` is where they are in the request, by their index; without
    one it is what the service asks them for, and they have no fields of their own.

    ``finite`` refuses a question one of whose options has no probability at all.
    """

    entry: ModelEntry
    questions: Sequence[Question]
    shots: tuple[Shot, ...]
    reading: Reading
    field: str = "questions.items[{}].question"
    finite: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """Option scores, (n, k), how likely the model answers in the format, (n,), and how much of the
    probability of what comes next the options hold as they are asked, (n,).

    ``options``, (n,), are how many each item has: from there on its scores are -inf.
    ``prompt_tokens`` are those of each item's prompts, in all of its orders, (n,), of which the
    engine had ``cached_tokens`` in its cache.
    """

    scores: NDArray[np.float64]
    options: NDArray[np.int64]
    format_probability: NDArray[np.float64]
    option_mass: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]


class _Item(NamedTuple):
    """What is kept of a ``Read`` until the end: its prompt alone may be thousands of tokens."""

    scores: NDArray[np.float64]
    format_probability: float
    option_mass: float
    prompt_tokens: int
    cached_tokens: int

    @classmethod
    def of(cls, one: Read) -> "_Item":
        asked = one.as_asked
        return cls(
            one.scores,
            asked.format_probability,
            asked.option_mass,
            one.prompt_tokens,
            one.cached_tokens,
        )


async def ask(asked: Sequence[Asked]) -> AsyncIterator[Progress | list[Said]]:
    """What each model says: progress first, then all of it.

    Raises a ServiceError that names the item, for one that cannot be read fails all.
    """
    # Once: while an engine is replaced its model is not ready, and a fit waits for it.
    served = [await each.entry.ready() for each in asked]
    total = sum(len(each.questions) for each in asked)
    done = 0
    said: list[Said] = []
    for each, model in zip(asked, served, strict=True):
        items: list[_Item] = []
        for start in range(0, len(each.questions), _CHUNK):
            items += await _chunk(each, model, start)
            yield Progress(done + len(items), total)
        done += len(items)
        said.append(await long_work(_said, items))
    yield said


def _said(items: Sequence[_Item]) -> Said:
    tokens = np.array([(one.prompt_tokens, one.cached_tokens) for one in items], dtype=np.int64)
    return Said(
        *score_rows([one.scores for one in items]),
        np.array([one.format_probability for one in items]),
        np.array([one.option_mass for one in items]),
        *tokens.reshape(-1, 2).T,
    )


async def _chunk(asked: Asked, served: ServedModel, start: int) -> list[_Item]:
    questions = asked.questions[start : start + _CHUNK]
    outcomes, _ = await read(served, questions, asked.shots, asked.reading)
    items = []
    for place, outcome in enumerate(outcomes, start):
        item = asked.field.format(place)
        if isinstance(outcome, InvalidInput) and item != asked.field:
            raise outcome.under(item)
        if isinstance(outcome, InvalidInput):
            message = f"asks a question without content, for which {outcome.message}"
            raise InvalidInput(item, message, reason=outcome.reason)
        if isinstance(outcome, ServiceError):
            raise NotReady(
                f"{item}, models/{asked.entry.name}: {outcome.message}", reason=outcome.reason
            )
        if asked.finite and not np.isfinite(outcome.scores).all():
            option = int(np.isfinite(outcome.scores).argmin())
            raise NotReady(
                f"{item}, models/{asked.entry.name}: option {option} has no probability at all",
                reason="INFINITE_SCORE",
            )
        items.append(_Item.of(outcome))
    return items


def score_rows(
    rows: Sequence[Sequence[float] | NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows of scores as (n, k), the shorter ones filled with -inf, and how long each is, (n,)."""
    options = np.array([len(row) for row in rows], dtype=np.int64)
    scores = np.full((len(rows), options.max(initial=0)), -np.inf)
    scores[np.arange(scores.shape[1]) < options[:, np.newaxis]] = [v for row in rows for v in row]
    return scores, options


def common_key(questions: Sequence[Question], reading: Reading) -> str:
    """The way of reading of all questions, as a scope names it. Raises InvalidInput."""
    keys = [reading.key(question) for question in questions]
    for place, key in enumerate(keys):
        if key != keys[0]:
            raise InvalidInput(
                f"questions.items[{place}].question.prompt",
                "has to be of the same kind in all items: a calibrator is for one way of reading",
            )
    return keys[0]


def one_number(count: int) -> str:
    """What is wrong with an item of another number of options than the first."""
    return (
        f"has to be {count} long, as in the first item: a calibrator is for one number of options "
        "unless it is one for any (any_options)"
    )


def data_hash(logprobs: NDArray[np.float64], answers: NDArray[np.int64]) -> str:
    """SHA-256 over a model's scores and the answers, by which an evaluation on them is known."""
    digest = hashlib.sha256()
    for array in (logprobs, answers):
        digest.update(repr(array.shape).encode() + array.dtype.str.encode() + array.tobytes())
    return digest.hexdigest()


def prompts_hash(asked: Sequence[Asked]) -> str:
    """SHA-256 over everything that the prompts were made of."""
    digest = hashlib.sha256()
    for each in asked:
        digest.update(repr((each.reading, each.shots, tuple(each.questions))).encode())
    return digest.hexdigest()
