"""The first rows of a file as they are understood, for people who decide or look over it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from trueodds.files.answers import Answers
from trueodds.files.columns import Columns
from trueodds.files.items import Item, read_item
from trueodds.files.source import Source
from trueodds.question import Chat, Question

# Characters of a text that are shown.
_LENGTH = 100
# And options of a question.
_OPTIONS = 30


def preview(source: Source, columns: Columns, rows: int = 3) -> str:
    """The first rows, each option on a line of its own, and the right one marked."""
    return "\n".join(
        line
        for place, row in islice(source.placed(0, columns.names()), rows)
        for line in _lines(read_item(row, columns, place))
    )


def readings_preview(
    source: Source, columns: Columns, possible: Sequence[Answers], rows: int
) -> str:
    """The right options of the first rows under each reading of the answers."""
    lines = [str(replace(columns, answers=None))]
    for place, row in islice(source.placed(0, columns.names()), rows):
        lines += _lines(read_item(row, replace(columns, answers=None), place))
        for answers in possible:
            item = read_item(row, replace(columns, answers=answers), place)
            lines.append(f"  right under {answers.value}: {_right(item)}")
    return "\n".join(lines)


def _lines(item: Item) -> list[str]:
    if item.question is None:
        return [f"{item.place}: not asked: {item.error}"]
    named = "" if item.id is None else f" (id {_short(item.id)})"
    lines = [f"{item.place}{named}: {_short(_asked(item.question))}"]
    if item.question.passage:
        lines.append(f"  passage: {_short(item.question.passage)}")
    for place, option in enumerate(item.question.options[:_OPTIONS]):
        label = f"{_short(item.question.labels[place])}. " if item.question.labels else ""
        mark = "  <- right" if place == item.answer else ""
        lines.append(f"  {label}{_short(option)}{mark}")
    if (more := len(item.question.options) - _OPTIONS) > 0:
        lines.append(f"  and {more:,} more")
    if item.unusable is not None:
        lines.append(f"  no answer: {item.unusable}")
    return lines


def _asked(question: Question) -> str:
    if isinstance(question.prompt, Chat):
        return f"a conversation of {len(question.prompt.messages)} messages"
    return question.text or str(question.prompt)


def _right(item: Item) -> str:
    if item.question is None or item.answer is None:
        return f"none ({item.unusable or 'not said'})"
    return _short(item.question.options[item.answer])


def _short(said: str) -> str:
    said = " ".join(said.split())
    return said if len(said) <= _LENGTH else f"{said[:_LENGTH]}…"
