"""Formats: how a question becomes a prompt, and where its answer is read.

The formats differ only after ``Answer:``. Up to there the prompt is the same text, so what a
model puts on one way of answering rather than another is its format uncertainty, and nothing
else (He et al. 2023, section 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from trueodds_service.prompts.question import Question, Shot


class Format(StrEnum):
    """The ways to answer that the service knows. The values are part of a calibrator's scope."""

    LETTER = "letter"
    PAREN = "paren"


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """What stands around a label in an answer: ``identifier`` before it, ``closing`` after.

    A non-empty ``identifier`` is the paper's format identifier: p(identifier | x) is the
    format probability, and the label is read after it.
    """

    identifier: str
    before_label: str
    closing: str


SHAPES = {
    Format.LETTER: AnswerShape(identifier="", before_label=" ", closing=""),
    Format.PAREN: AnswerShape(identifier=" (", before_label="", closing=")"),
}

# Raised by one whenever a rendered prompt changes: it is part of every calibrator's scope.
FORMAT_VERSION = 1


def render(question: Question, shots: Sequence[Shot], answer_format: Format) -> str:
    """The prompt of a question after its worked examples; it ends in ``Answer:``."""
    worked = (
        f"{_ask(shot.question)}{answer(shot.question.labels[shot.answer], answer_format)}\n\n"
        for shot in shots
    )
    return "".join(worked) + _ask(question)


def answer(label: str, answer_format: Format) -> str:
    """A whole answer as it follows ``Answer:``, such as `` A`` or `` (A)``."""
    shape = SHAPES[answer_format]
    return f"{shape.identifier}{shape.before_label}{label}{shape.closing}"


def _ask(question: Question) -> str:
    passage = f"{question.passage}\n" if question.passage else ""
    options = "".join(
        f"{label}. {option}\n"
        for label, option in zip(question.labels, question.options, strict=True)
    )
    return f"{passage}{question.text}\n{options}Answer:"
