"""What a caller asks, before it is a prompt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question.

    ``labels`` name the options in the prompt, one each; ``A``, ``B``, … where the caller
    gives none.
    """

    text: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    passage: str = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example: a question and the index of its answer."""

    question: Question
    answer: int


def letters(count: int) -> tuple[str, ...]:
    """The default labels of ``count`` options: A, B, C, …, at most 26."""
    return tuple(chr(ord("A") + index) for index in range(count))
