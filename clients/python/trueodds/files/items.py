"""A row as a question."""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from trueodds._channel import BATCH_BYTES
from trueodds._legible import is_legible
from trueodds.files.answers import right_option
from trueodds.files.cells import UNREADABLE, Row, cell, check_bytes, is_missing, text
from trueodds.files.columns import Columns
from trueodds.files.errors import BadRow, FileError
from trueodds.files.native import native_question
from trueodds.files.options import Options, read_options, without_letters
from trueodds.files.presets import COPA, COPA_QUESTIONS, NATIVE
from trueodds.files.source import Source
from trueodds.question import Example, Question, Text

_MAX_TASK = 200


@dataclass(frozen=True, slots=True)
class Item:
    """What a row asks; ``error`` where it is no question. ``answer`` is the right option's index,
    where the row says it, and ``unusable`` why what it says is none. ``task`` is the row's own,
    None where it is the run's; ``place`` is where in the file it is, such as "line 3".
    """

    question: Question | None = None
    answer: int | None = None
    id: str | None = None
    task: str | None = None
    error: BadRow | None = None
    unusable: str | None = None
    place: str = ""


def read_item(row: Row, columns: Columns, place: str = "") -> Item:
    """Never raises: what is wrong with a row is in its item."""
    if isinstance(row, BadRow):
        return Item(error=row, place=place)
    item = Item(place=place)
    try:
        item = replace(item, id=_id(row, columns))
        item = replace(item, task=_task(row, columns))
        question = _question(row, columns)
        _check_size(question)
        item = replace(item, question=question)
    except BadRow as error:
        return replace(item, error=error)
    except (TypeError, ValueError) as error:  # half a character, say
        return replace(item, error=BadRow(str(error)))
    try:
        return replace(item, answer=_answer(row, columns))
    except BadRow as error:
        return replace(item, unusable=str(error))


def options_of(row: dict[str, Any], columns: Columns) -> Options:
    """The options of a row, as they are asked. Raises BadRow."""
    if columns.classes:
        return Options(columns.classes)
    options = read_options(row, columns.options)
    if columns.layout == NATIVE:
        labels = row.get("labels")
        options = replace(options, labels=tuple(map(str, labels)) if labels else None)
    bare = columns.letters and cell(row, columns.question) is not None
    return (bare and without_letters(options)) or options


def read_shots(source: Source, columns: Columns, most: int | None = None) -> list[Example]:
    """A file of worked examples, of which each has its answer. Raises FileError."""
    shots = []
    for place, row in islice(source.placed(0, columns.names()), most):
        item = read_item(row, columns, place)
        why = item.error or item.unusable or BadRow("is missing", columns.answer or "answer")
        if item.question is None or item.answer is None:
            raise FileError(f"{source.name or source.path}, {place}: {why}")
        shots.append(Example(item.question, item.answer))
    return shots


def _question(row: dict[str, Any], columns: Columns) -> Question:
    if columns.layout == NATIVE:
        question = native_question(row)
        if question.prompt is None:
            text(row, columns.question)
            if columns.letters:
                question = replace(question, options=options_of(row, columns).texts)
        return question
    options = options_of(row, columns)
    return Question(
        _asked(row, columns),
        options.texts,
        passage=_passage(row, columns),
        labels=options.labels,
    )


def _asked(row: dict[str, Any], columns: Columns) -> str:
    said = text(row, columns.question)
    if columns.layout != COPA:
        return said
    if said not in COPA_QUESTIONS:
        raise BadRow(f"has to be {' or '.join(COPA_QUESTIONS)}", columns.question)
    return COPA_QUESTIONS[said]


def _check_size(question: Question) -> None:
    """What is larger than messages of many questions get might be larger than a server takes."""
    prompt = question.prompt
    own = [prompt.text if isinstance(prompt, Text) else prompt] if prompt else []
    texts = [question.text, question.passage, *question.options, *(question.labels or ())]
    texts += [each for each in own if isinstance(each, str)]
    if (
        sum(map(len, texts)) * 4 > BATCH_BYTES
        and sum(len(each.encode()) for each in texts) > BATCH_BYTES
    ):
        raise BadRow(f"is larger than a message may be: {BATCH_BYTES // 2**20} MiB")


def _id(row: dict[str, Any], columns: Columns) -> str | None:
    value = None if columns.id is None else cell(row, columns.id)
    if value is None:
        return None
    name = str(value)
    check_bytes(name, columns.id or "")
    try:
        name.encode()
    except UnicodeEncodeError:
        value = UNREADABLE
    if value is UNREADABLE:
        raise BadRow("is not text", columns.id or "")
    return name


def _task(row: dict[str, Any], columns: Columns) -> str | None:
    if columns.task is None:
        return None
    task = text(row, columns.task)
    if len(task) > _MAX_TASK or not is_legible(task):
        raise BadRow(
            f"has to be printable, without space around it, of at most {_MAX_TASK} characters",
            columns.task,
        )
    return task


def _passage(row: dict[str, Any], columns: Columns) -> str:
    value = None if columns.passage is None else cell(row, columns.passage)
    if is_missing(value):
        return ""
    if not isinstance(value, str):
        raise BadRow("is not text", columns.passage or "")
    check_bytes(value, columns.passage or "")
    return value


def _answer(row: dict[str, Any], columns: Columns) -> int | None:
    if columns.answers is None:
        return None
    value = None if columns.answer is None else cell(row, columns.answer)
    try:
        return right_option(value, options_of(row, columns), columns.answers)
    except BadRow as error:
        raise BadRow(str(error), columns.answer or columns.options[0]) from None
