"""What a caller asks, before it is tokens."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice, product
from string import ascii_uppercase
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A prompt as text. With ``special``, names of special tokens in it are special tokens, and
    the tokenizer adds none of its own.
    """

    text: str
    special: bool = False


@dataclass(frozen=True, slots=True)
class TokenIdPrompt:
    """A prompt as tokens of the model."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A conversation of (role, content) messages; the assistant's turn begins with
    ``answer_prefix``.
    """

    messages: tuple[tuple[str, str], ...]
    answer_prefix: str = ""


Prompt: TypeAlias = TextPrompt | TokenIdPrompt | ChatPrompt


class Kind(StrEnum):
    """What a decision asks about its state; each is read in a way of its own."""

    PREDICATE = "predicate"
    """Whether something is so; its options are yes and no."""
    CHOICE = "choice"
    """Which of the options it is."""
    SCORE = "score"
    """Which of the levels, from the lowest on."""


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question.

    ``labels`` name the options in the prompt, one each. ``prompt`` is the whole prompt, where
    the caller made it; then there is neither ``text`` nor ``passage``. ``option_ids`` are the
    options' tokens, one sequence an option, after a prompt of token ids and only there.
    ``kind`` is that of a decision, whose state is the ``passage``; ``system`` is what it is told
    before everything else.
    """

    text: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    passage: str = ""
    prompt: Prompt | None = None
    option_ids: tuple[tuple[int, ...], ...] = ()
    kind: Kind | None = None
    system: str = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example: a question and the index of its answer."""

    question: Question
    answer: int


def letters(count: int) -> tuple[str, ...]:
    """The default labels of ``count`` options: A, B, …, Z, AA, AB, …, ZZ, as columns of a sheet."""
    pairs = map("".join, product(ascii_uppercase, repeat=2))
    return tuple(islice(chain(ascii_uppercase, pairs), count))
