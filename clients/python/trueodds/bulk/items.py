"""A row as a question."""

from dataclasses import dataclass
from itertools import islice

from trueodds._channel import BATCH_BYTES
from trueodds._legible import is_legible
from trueodds.bulk.answers import answer_index
from trueodds.bulk.cells import (
    UNREADABLE,
    Row,
    cell,
    is_missing,
    option_texts,
    text,
    without_letters,
)
from trueodds.bulk.columns import Columns
from trueodds.bulk.errors import BadRow, BulkError
from trueodds.bulk.source import Source
from trueodds.types import Example, Question

_MAX_TASK = 200


@dataclass(frozen=True, slots=True)
class Item:
    """What a row asks; ``error`` where it is no question. ``answer`` is the right option's index,
    where the row says it; ``task`` is the row's own, None where it is the run's.
    """

    question: Question | None = None
    answer: int | None = None
    id: str | None = None
    task: str | None = None
    error: BadRow | None = None


def read_item(row: Row, columns: Columns) -> Item:
    """Never raises: what is wrong with a row is in its item."""
    if isinstance(row, BadRow):
        return Item(error=row)
    name = None
    try:
        name = _id(row, columns)
        task = _task(row, columns)
        texts, labels = option_texts(row, columns.options)
        bare = without_letters(texts) if columns.letters else None
        question = Question(
            text(row, columns.question),
            bare or texts,
            passage=_passage(row, columns),
            labels=labels,
        )
        _check_size(question)
        return Item(question, _answer(row, columns, question, labels), name, task)
    except BadRow as error:
        return Item(id=name, error=error)
    except (TypeError, ValueError) as error:  # half a character, say
        return Item(id=name, error=BadRow(str(error)))


def read_shots(source: Source, columns: Columns, most: int) -> list[Example]:
    """A file of worked examples, of which each has its answer. Raises BulkError."""
    shots = []
    for number, row in enumerate(islice(source.rows(0, columns.names()), most), 1):
        item = read_item(row, columns)
        why = item.error or (BadRow("is missing", columns.answer or "answer"))
        if item.question is None or item.answer is None:
            raise BulkError(f"{source.path}, row {number}: {why}")
        shots.append(Example(item.question, item.answer))
    return shots


def _check_size(question: Question) -> None:
    """What is larger than messages of many questions get might be larger than a server takes."""
    texts = (question.text, question.passage, *question.options, *(question.labels or ()))
    if (
        sum(map(len, texts)) * 4 > BATCH_BYTES
        and sum(len(each.encode()) for each in texts) > BATCH_BYTES
    ):
        raise BadRow(f"is larger than a message may be: {BATCH_BYTES // 2**20} MiB")


def _id(row: dict[str, object], columns: Columns) -> str | None:
    value = None if columns.id is None else cell(row, columns.id)
    if value is None:
        return None
    name = str(value)
    try:
        name.encode()
    except UnicodeEncodeError:
        value = UNREADABLE
    if value is UNREADABLE:
        raise BadRow("is not text", columns.id or "")
    return name


def _task(row: dict[str, object], columns: Columns) -> str | None:
    if columns.task is None:
        return None
    task = text(row, columns.task)
    if len(task) > _MAX_TASK or not is_legible(task):
        raise BadRow(
            f"has to be printable, without space around it, of at most {_MAX_TASK} characters",
            columns.task,
        )
    return task


def _passage(row: dict[str, object], columns: Columns) -> str:
    value = None if columns.passage is None else cell(row, columns.passage)
    if is_missing(value):
        return ""
    if not isinstance(value, str):
        raise BadRow("is not text", columns.passage or "")
    return value


def _answer(
    row: dict[str, object], columns: Columns, question: Question, labels: tuple[str, ...] | None
) -> int | None:
    if columns.answer is None:
        return None
    value = cell(row, columns.answer)
    try:
        return answer_index(
            value, tuple(question.options), labels, columns.first_answer, columns.answers
        )
    except BadRow as error:
        raise BadRow(str(error), columns.answer) from None
