"""What a caller asks, before it is tokens."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question.

    ``labels`` name the options in the prompt, one each. ``prompt`` is the whole prompt, where
    the caller made it; then there is neither ``text`` nor ``passage``. ``option_ids`` are the
    options' tokens, one sequence an option, after a prompt of token ids and only there.
    """

    text: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    passage: str = ""
    prompt: Prompt | None = None
    option_ids: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example: a question and the index of its answer."""

    question: Question
    answer: int


def letters(count: int) -> tuple[str, ...]:
    """The default labels of ``count`` options: A, B, …, Z, AA, AB, …, ZZ, as columns of a sheet."""
    pairs = map("".join, product(ascii_uppercase, repeat=2))
    return tuple(islice(chain(ascii_uppercase, pairs), count))
