"""Which column holds what: told by the caller, of a layout that is known, or found by names."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from trueodds.files.answers import Answers
from trueodds.files.cells import cell, is_missing
from trueodds.files.errors import BadRow, FileError
from trueodds.files.names import resolve
from trueodds.files.native import NATIVE_KEYS
from trueodds.files.options import read_options
from trueodds.files.presets import NATIVE

_QUESTION = (
    *("question", "question.stem", "question_stem", "ctx", "query", "goal"),
    *("sentence", "problem", "input", "text"),
)
OPTIONS = ("options", "choices", "question.choices", "endings", "candidates", "target_scores")
_PASSAGE = ("passage", "article", "story", "support", "context", "premise")
_ANSWER = (
    *("answer", "answerKey", "answer_key", "label", "answer_index", "answer_idx"),
    *("gold", "target", "correct", "cop", "correct_answer"),
)
_ID = ("id", "question_id", "qid", "uid", "example_id", "ind", "idx")
# The options in columns of their own: A, B; option1, option2; ending0, ending1; opa, opb.
ONE_OPTION = re.compile(r"(|options?|opt|op|choices?|endings?|answer|sol)[_ ]?([a-z]|\d)", re.I)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says; None is to be found, and "" is not there.

    ``options`` is one column that holds them all, or one column each; ``classes`` are the options
    of every row instead. ``layout`` names a preset, and ``answers`` what the answers are.
    """

    question: str | None = None
    options: Sequence[str] = ()
    answer: str | None = None
    passage: str | None = None
    id: str | None = None
    task: str | None = None
    layout: str | None = None
    answers: Answers | None = None
    classes: Sequence[str] = ()

    def named(self) -> set[str]:
        told = (self.question, *self.options, self.answer, self.passage, self.id, self.task)
        return {name for name in told if name}


@dataclass(frozen=True, slots=True)
class Columns:
    """What is taken for what, the same for every row of a file.

    ``letters`` is whether options begin with "(A)" or the like, and ``answers`` what the answers
    are, None where there are none.
    """

    layout: str | None
    question: str
    options: tuple[str, ...]
    answer: str | None = None
    passage: str | None = None
    id: str | None = None
    task: str | None = None
    answers: Answers | None = None
    letters: bool = False
    classes: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """The names of all columns that are taken."""
        named = (self.question, *self.options, self.answer, self.passage, self.id, self.task)
        return [name for name in named if name] + [
            key for key in sorted(NATIVE_KEYS) if self.layout == NATIVE and key not in named
        ]

    def __str__(self) -> str:
        options = ", ".join(self.options) or f"always {', '.join(self.classes)}"
        said = [f"question: {self.question}", f"options: {options}"]
        if self.letters:
            said[-1] += " (without the letters before them)"
        for name in ("answer", "passage", "id", "task"):
            said.append(f"{name}: {getattr(self, name) or '–'}")
        if self.answers is not None:
            said[2] = f"answer: {self.answer or self.options[0]} ({self.answers.value})"
        if self.layout is not None:
            said.insert(0, f"layout: {self.layout}")
        return "; ".join(said)


Sample = Sequence[dict[str, Any]]


def find_columns(sample: Sample, wanted: Wanted, names: Sequence[str]) -> Columns:
    """The columns by the names that benchmarks give them, from the first rows of a file.

    Raises FileError where a needed one is not found, or may be either of several.
    """
    passage = _one("passage", wanted.passage, _PASSAGE, sample, names, _is_text)
    question = _one("question", wanted.question, _QUESTION, sample, names, _is_text)
    options = () if wanted.classes else tuple(wanted.options) or _options(names, sample)
    if question is None or not (options or wanted.classes):
        missing = "question" if question is None else "options"
        raise FileError(f"no column looks like the {missing}; name it with --{missing}-column")
    answers = _known(_ANSWER, sample, names, _is_answer) if wanted.answer is None else []
    ids = _known(_ID, sample, names, _is_id) if wanted.id is None else []
    return Columns(
        layout=None,
        question=question,
        options=options,
        answer=next((name for name in answers if name not in options), wanted.answer or None),
        passage=passage,
        id=ids[0] if ids else wanted.id or None,
        task=wanted.task or None,
        classes=tuple(wanted.classes),
    )


def _one(
    what: str,
    told: str | None,
    known: Sequence[str],
    sample: Sample,
    names: Sequence[str],
    fits: Callable[[Any], bool],
) -> str | None:
    """The one column that is called so; what another holds would be dropped in silence."""
    if told is not None:
        return told or None
    found = _known(known, sample, names, fits)
    if len(found) > 1:
        raise FileError(
            f"the {what} may be in {' or in '.join(found)}; name it with --{what}-column"
        )
    return found[0] if found else None


def _known(
    known: Iterable[str], sample: Sample, names: Sequence[str], fits: Callable[[Any], bool]
) -> list[str]:
    """The columns whose cells fit, most of those that are not empty: some rows may be bad."""
    found = []
    for each in known:
        name = resolve(each, names)
        cells = [] if name is None else [cell(row, name) for row in sample]
        filled = [value for value in cells if not is_missing(value)]
        if name is not None and 2 * sum(map(fits, filled)) > len(filled):
            found.append(name)
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_answer(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int)


def _options(names: Sequence[str], sample: Sample) -> tuple[str, ...]:
    together = [
        name
        for each in OPTIONS
        if (name := resolve(each, names)) is not None
        and 2 * sum(_are_options(row, name) for row in sample) > len(sample)
    ]
    if len(together) > 1:
        raise FileError(
            f"the options may be in {' or in '.join(together)}; name it with --options-column"
        )
    if together:
        return (together[0],)
    apart = [match for name in names if (match := ONE_OPTION.fullmatch(name.strip()))]
    for _, group in groupby(apart, key=lambda match: match[1].lower()):
        matches = list(group)
        marks = [ord(match[2].lower()) - ord(matches[0][2].lower()) for match in matches]
        if len(matches) > 1 and marks == list(range(len(matches))):
            return tuple(match.string for match in matches)
    return ()


def _are_options(row: dict[str, Any], name: str) -> bool:
    try:
        return len(read_options(row, (name,)).texts) > 1
    except BadRow:
        return False
