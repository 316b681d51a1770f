"""Formats: how a question becomes a prompt, and how its answer is written after it.

LETTER, PAREN and TEXT differ only after ``Answer:``. Up to there the prompt is the same text, so
what a model puts on one way of answering rather than another is its format uncertainty, and
nothing else (He et al. 2023, section 3). PAREN_OPTIONS shows the options as they are answered.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import TypeVar

from trueodds_service.prompts.question import Kind, Question, Shot

# Raised by one whenever a built-in format changes: it is part of every calibrator's scope.
FORMAT_VERSION = 2

T = TypeVar("T")

# Characters of shots that are kept as they are written.
_KEPT_CHARACTERS = 2**16

_PLACE = re.compile(r"\{(text|passage|options|label|reply)\}")
# What stands in a decision beside what its caller says, at most.
_BESIDE = 100


@dataclass(frozen=True, slots=True)
class Format:
    """Templates, in which words in braces stand for parts of the question.

    ``question`` is the prompt: ``{text}``, ``{passage}`` (with its line break, or nothing) and
    ``{options}``. ``option`` is a line of it: ``{label}`` and ``{text}``. Every answer begins
    with ``identifier``, the paper's format identifier: p(identifier | x) is the format
    probability. ``answer`` follows, and names exactly one of ``{label}`` and ``{text}``: that,
    with what stands before it, is what is read. ``separator`` ends a worked example.
    """

    question: str = "{passage}{text}\n{options}Answer:"
    option: str = "{label}. {text}\n"
    identifier: str = ""
    answer: str = " {label}"
    separator: str = "\n\n"

    @property
    def reads_text(self) -> bool:
        """Whether the option's text is read, not its label."""
        return "{text}" in self.answer

    @property
    def lead(self) -> str:
        """What is read before the label or the text."""
        return self.answer.partition("{text}" if self.reads_text else "{label}")[0]

    @property
    def key(self) -> str:
        """The format's name in a calibrator's scope."""
        for name, built_in in BUILT_IN.items():
            if self == built_in:
                return name
        return f"custom-{blake2b(repr(astuple(self)).encode(), digest_size=8).hexdigest()}"


@dataclass(frozen=True, slots=True)
class DecisionFormat(Format):
    """The format of decisions: the state, and then the question, so that what is asked of one
    state begins alike. ``{reply}`` says how to answer. A model with a chat template reads it as
    what the user says, any other with ``cue`` after it.
    """

    question: str = "{passage}\nQuestion: {text}\n{options}{reply}"
    option: str = "{label}: {text}\n"
    cue: str = "\nAnswer:"

    def said(self, question: Question) -> str:
        """What the user says; an option without a text is its label alone."""
        lines = (
            _fill(self.option, {"label": label, "text": text}) if text else f"{label}\n"
            for label, text in zip(question.labels, question.options, strict=True)
        )
        parts = {
            "passage": f"{question.passage}\n",
            "text": question.text,
            "options": "".join(lines),
            "reply": _reply(question),
        }
        return _fill(self.question, parts)


def _reply(question: Question) -> str:
    if question.kind is Kind.PREDICATE:
        yes, no = question.labels
        return f"Answer with {yes} or {no} only."
    what = "level" if question.kind is Kind.SCORE else "option"
    return f"Answer with the label of one {what} only."


LETTER = Format()
PAREN = Format(identifier=" (", answer="{label})")
PAREN_OPTIONS = Format(option="({label}) {text}\n", identifier=" (", answer="{label})")
TEXT = Format(answer=" {text}")
# Its name has a version of its own: to change it costs no other calibrator.
DECISION = DecisionFormat()

BUILT_IN = {
    "letter": LETTER,
    "paren": PAREN,
    "paren-options": PAREN_OPTIONS,
    "text": TEXT,
    "decision-1": DECISION,
}


def render(question: Question, shots: Sequence[Shot], answer_format: Format) -> str:
    """The prompt of a question after its worked examples, up to the answer."""
    return worked(shots, answer_format) + ask(question, answer_format)


def worked(shots: Sequence[Shot], answer_format: Format) -> str:
    """The worked examples, as they stand before a question."""
    return _kept(_worked, tuple(shots), answer_format)


# The same examples come with every question of a task.
@functools.lru_cache(maxsize=64)
def _worked(shots: tuple[Shot, ...], answer_format: Format) -> str:
    return "".join(
        ask(shot.question, answer_format)
        + answer(shot.question, shot.answer, answer_format)
        + answer_format.separator
        for shot in shots
    )


def ask(question: Question, answer_format: Format) -> str:
    """The prompt of a question without worked examples, up to the answer."""
    if isinstance(answer_format, DecisionFormat):
        system = f"{question.system}\n\n" if question.system else ""
        return system + answer_format.said(question) + answer_format.cue
    options = "".join(
        _fill(answer_format.option, {"label": label, "text": option})
        for label, option in zip(question.labels, question.options, strict=True)
    )
    passage = f"{question.passage}\n" if question.passage else ""
    parts = {"passage": passage, "text": question.text, "options": options}
    return _fill(answer_format.question, parts)


def worked_length(shots: Sequence[Shot], answer_format: Format) -> int:
    """Characters of the worked examples, told without writing them."""
    return _kept(_worked_length, tuple(shots), answer_format)


@functools.lru_cache(maxsize=64)
def _worked_length(shots: tuple[Shot, ...], answer_format: Format) -> int:
    return sum(
        asked_length(shot.question, answer_format)
        + len(answer(shot.question, shot.answer, answer_format))
        + len(answer_format.separator)
        for shot in shots
    )


def _kept(
    cached: "functools._lru_cache_wrapper[T]", shots: tuple[Shot, ...], answer_format: Format
) -> T:
    """What is told of shots; kept only of those of a usual length."""
    length = sum(
        len(each.question.text) + len(each.question.passage) + sum(map(len, each.question.options))
        for each in shots
    )
    call = cached if length <= _KEPT_CHARACTERS else cached.__wrapped__
    return call(shots, answer_format)


def asked_length(question: Question, answer_format: Format) -> int:
    """Characters of a question's prompt without worked examples, told without writing it."""
    named = {"label": sum(map(len, question.labels)), "text": sum(map(len, question.options))}
    options = _filled_length(answer_format.option, named, len(question.options))
    passage = len(question.passage) + 1 if question.passage else 0
    parts = {"passage": passage, "text": len(question.text), "options": options}
    beside = len(question.system) + _BESIDE if question.kind is not None else 0
    return beside + _filled_length(answer_format.question, parts)


def answer(question: Question, option: int, answer_format: Format) -> str:
    """A whole answer as it follows the prompt, such as `` A`` or `` (A)``."""
    parts = {"label": question.labels[option], "text": question.options[option]}
    return answer_format.identifier + _fill(answer_format.answer, parts)


def _fill(template: str, parts: Mapping[str, str]) -> str:
    # In one pass: what a part holds is not a template.
    return _PLACE.sub(lambda match: parts.get(match[1], match[0]), template)


def _filled_length(template: str, lengths: Mapping[str, int], times: int = 1) -> int:
    """The total length of what ``_fill`` returns when it is called ``times`` times; ``lengths`` are
    the sums over the calls.
    """
    total = times * len(template)
    for name, length in lengths.items():
        place = f"{{{name}}}"
        total += template.count(place) * (length - times * len(place))
    return total
