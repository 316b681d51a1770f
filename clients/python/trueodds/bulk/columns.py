"""Which column holds what: told by the caller, or found by the layouts that benchmarks come in."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from trueodds.bulk.answers import readings
from trueodds.bulk.cells import Row, cell, has, option_texts, without_letters
from trueodds.bulk.errors import BadRow, BulkError

_QUESTION = (
    *("question", "question.stem", "question_stem", "ctx", "query", "goal"),
    *("sentence", "problem", "prompt", "input", "text"),
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

# How many rows tell what a column holds.
_SAMPLE = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says; None is to be found, and "" is not there.

    ``options`` is one column that holds them all, or one column each. ``first_answer`` says that
    answers are numbers, and what the first option's is: 0 where it is left out, or where columns
    of options are numbered, the first one's.
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
    """What is taken for what. ``letters`` is whether options begin with "(A)" or the like.

    ``answers`` is whether they are an option's "place" – its label, letter or number – or its
    "text"; "" where that does not show.
    """

    question: str
    options: tuple[str, ...]
    answer: str | None
    passage: str | None
    id: str | None
    task: str | None
    first_answer: int
    letters: bool
    answers: str

    def names(self) -> list[str]:
        """Of all that are taken."""
        named = (self.question, *self.options, self.answer, self.passage, self.id, self.task)
        return [name for name in named if name]

    def __str__(self) -> str:
        said = [f"question: {self.question}", f"options: {', '.join(self.options)}"]
        if self.letters:
            said[-1] += " (without the letters before them)"
        for name in ("answer", "passage", "id", "task"):
            said.append(f"{name}: {getattr(self, name) or '–'}")
        if self.answers == "text":
            said[2] += " (an option's text)"
        return "; ".join(said)


def find_columns(rows: Iterable[Row], wanted: Wanted) -> Columns:
    """The columns, from the first rows of the file that can be read.

    Raises BulkError when a needed one is not found, or one that the caller names is in no row.
    """
    readable = (row for row in rows if isinstance(row, dict))
    sample = list(islice(readable, _SAMPLE))
    _check_known(wanted, sample, readable)
    names = list(dict.fromkeys(name for row in sample for name in row))
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
    letters = 2 * sum(_has_letters(row, options) for row in sample) > len(sample)

    def read(row: dict[str, Any], name: str) -> dict[str, int]:
        if (found := _options_of(row, options)) is None:
            return {}
        texts, labels = found
        bare = without_letters(texts) if letters else None
        return readings(cell(row, name), bare or texts, labels, first_answer)

    def of(told: str | None, known: Sequence[str], fits: Any) -> str | None:
        return (told or None) if told is not None else _first(known, sample, fits)

    answer = of(wanted.answer, _ANSWER, read)
    answers = {"place"}
    if wanted.first_answer is None:
        found = [read(row, answer) for row in sample] if answer else []
        answers = {by for each in found if len(each) == 1 for by in each}
    return Columns(
        question=question,
        options=options,
        answer=answer,
        passage=of(wanted.passage, [each for each in _PASSAGE if each != question], _is_text),
        id=of(wanted.id, _ID, lambda row, name: isinstance(cell(row, name), str | int)),
        task=wanted.task or None,
        first_answer=first_answer,
        letters=letters,
        answers=answers.pop() if len(answers) == 1 else "",
    )


def check_names(names: Sequence[str], path: Path) -> None:
    """Raises BulkError where a name of a column is no text, or is that of two."""
    for name in names:
        if name and names.count(name) > 1:
            raise BulkError(f"{path} has two columns named {name!r}")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BulkError(f"{path}: the name of a column is not UTF-8") from error


def _check_known(
    wanted: Wanted, sample: Sequence[dict[str, Any]], others: Iterator[dict[str, Any]]
) -> None:
    """Looks for what the caller names, through the whole file where it has to."""
    told = (wanted.question, *wanted.options, wanted.answer, wanted.passage, wanted.id, wanted.task)
    unseen = {name for name in told if name}
    for row in chain(sample, others):
        unseen = {name for name in unseen if not has(row, name)}
        if not unseen:
            return
    if unseen:
        raise BulkError(f"no row has a column {min(unseen)!r}")


def _first(known: Iterable[str], sample: Sequence[dict[str, Any]], fits: Any) -> str | None:
    """The first name whose cells fit, most of those that are not empty: some rows may be bad."""
    for name in known:
        filled = [row for row in sample if cell(row, name) not in (None, "")]
        if 2 * sum(bool(fits(row, name)) for row in filled) > len(filled):
            return name
    return None


def _is_text(row: dict[str, Any], name: str) -> bool:
    return isinstance(cell(row, name), str)


def _options(names: Sequence[str], sample: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    def are_options(row: dict[str, Any], name: str) -> bool:
        found = _options_of(row, (name,))
        return found is not None and len(found[0]) > 1

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
    found = _options_of(row, options)
    return found is not None and without_letters(found[0]) is not None


def _options_of(
    row: dict[str, Any], columns: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...] | None] | None:
    """The options and their labels; None where these columns do not hold them."""
    try:
        return option_texts(row, columns)
    except BadRow:
        return None
