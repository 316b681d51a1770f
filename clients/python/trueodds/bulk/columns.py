"""Which column holds what: told by the caller, or found by the layouts that benchmarks come in."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from trueodds.bulk.cells import answer_index, cell, option_texts, without_letters
from trueodds.bulk.errors import BadRow, BulkError

_QUESTION = (
    *("question", "question.stem", "question_stem", "ctx", "query", "goal"),
    *("sentence", "problem", "input", "text"),
)
_OPTIONS = ("options", "choices", "question.choices", "endings", "candidates")
_PASSAGE = ("passage", "article", "story", "support", "context")
_ANSWER = (
    *("answer", "answerKey", "answer_key", "label", "answer_index", "answer_idx"),
    *("gold", "target", "correct", "cop", "correct_answer"),
)
_ID = ("id", "question_id", "qid", "uid", "example_id", "ind", "idx")
# The options in columns of their own: A, B; option1, option2; ending0, ending1; opa, opb.
_ONE_OPTION = re.compile(r"(|options?|opt|op|choices?|endings?|answer|sol)[_ ]?([a-z]|\d)", re.I)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says; None is to be found, and "" is not there.

    ``options`` is one column that holds them all, or one column each. ``first_answer`` is the
    number of the first option, where answers are numbers: 0, or where columns of options are
    numbered, the first one's.
    """

    question: str | None = None
    options: Sequence[str] = ()
    answer: str | None = None
    passage: str | None = None
    id: str | None = None
    task: str | None = None
    first_answer: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """What is taken for what. ``letters`` is whether options begin with "(A)" or the like."""

    question: str
    options: tuple[str, ...]
    answer: str | None
    passage: str | None
    id: str | None
    task: str | None
    first_answer: int
    letters: bool

    def __str__(self) -> str:
        said = [f"question: {self.question}", f"options: {', '.join(self.options)}"]
        if self.letters:
            said[-1] += " (without the letters before them)"
        for name in ("answer", "passage", "id", "task"):
            said.append(f"{name}: {getattr(self, name) or '–'}")
        return "; ".join(said)


def find_columns(rows: Iterable[dict[str, Any]], wanted: Wanted) -> Columns:
    """The columns, from some rows of the file. Raises BulkError when a needed one is not found."""
    sample = list(rows)
    names = list(dict.fromkeys(name for row in sample for name in row))
    _check_known(sample, wanted)
    question = wanted.question or _first(_QUESTION, sample, _is_text)
    options = tuple(wanted.options) or _options(names, sample)
    if question is None or not options:
        missing = "question" if question is None else "options"
        raise BulkError(
            f"no column looks like the {missing}; name it with --{missing}. "
            f"The columns: {', '.join(names) or 'none'}"
        )
    first_answer = wanted.first_answer
    if first_answer is None:
        number = options[0][-1:] if len(options) > 1 else ""
        first_answer = int(number) if number.isdecimal() else 0

    def read(row: dict[str, Any], name: str) -> bool:
        try:
            texts, labels = option_texts(row, options)
            return answer_index(cell(row, name), texts, labels, first_answer) is not None
        except BadRow:
            return False

    def of(told: str | None, known: Sequence[str], fits: Any) -> str | None:
        return (told or None) if told is not None else _first(known, sample, fits)

    return Columns(
        question=question,
        options=options,
        answer=of(wanted.answer, _ANSWER, read),
        passage=of(wanted.passage, [each for each in _PASSAGE if each != question], _is_text),
        id=of(wanted.id, _ID, lambda row, name: isinstance(cell(row, name), str | int)),
        task=wanted.task or None,
        first_answer=first_answer,
        letters=2 * sum(_has_letters(row, options) for row in sample) > len(sample),
    )


def _check_known(sample: Sequence[dict[str, Any]], wanted: Wanted) -> None:
    told = [getattr(wanted, each.name) for each in fields(wanted)]
    named = [name for name in told if isinstance(name, str) and name] + list(wanted.options)
    for name in named:
        if all(cell(row, name) is None for row in sample):
            raise BulkError(f"there is no column {name!r} in the first {len(sample)} rows")


def _first(known: Iterable[str], sample: Sequence[dict[str, Any]], fits: Any) -> str | None:
    """The first name whose cells fit, most of those that are not empty: some rows may be bad."""
    for name in known:
        filled = [row for row in sample if cell(row, name) not in (None, "")]
        if 2 * sum(fits(row, name) for row in filled) > len(filled):
            return name
    return None


def _is_text(row: dict[str, Any], name: str) -> bool:
    return isinstance(cell(row, name), str)


def _options(names: Sequence[str], sample: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    def are_options(row: dict[str, Any], name: str) -> bool:
        try:
            return len(option_texts(row, (name,))[0]) > 1
        except BadRow:
            return False

    if (together := _first(_OPTIONS, sample, are_options)) is not None:
        return (together,)
    apart = [match for name in names if (match := _ONE_OPTION.fullmatch(name))]
    for _, group in groupby(apart, key=lambda match: match[1]):
        matches = list(group)
        marks = [ord(match[2]) - ord(matches[0][2]) for match in matches]
        if len(matches) > 1 and marks == list(range(len(matches))):
            return tuple(match[0] for match in matches)
    return ()


def _has_letters(row: dict[str, Any], options: Sequence[str]) -> bool:
    try:
        texts, _ = option_texts(row, options)
    except BadRow:
        return False
    return without_letters(texts) is not None
