"""What a cell holds: text, or options in the ways that benchmarks write them."""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from trueodds.bulk.errors import BadRow

Row: TypeAlias = dict[str, Any] | BadRow

# What a cell of Parquet holds where Python has no value for it, such as a time in the year 20000.
UNREADABLE = object()

_LETTERED = re.compile(r"\s*[(\[]?([A-Z])[)\].:]\s*")


def cell(row: dict[str, Any], name: str) -> Any:
    """The value of a column; a.b is b of the object in a. None where it is not there."""
    if name in row:
        return row[name]
    outer, _, inner = name.partition(".")
    within: Any = row.get(outer)
    return cell(within, inner) if inner and isinstance(within, dict) else None


def has(row: dict[str, Any], name: str) -> bool:
    """Whether there is such a cell, even an empty one."""
    outer, _, inner = name.partition(".")
    within = row.get(outer)
    return name in row or (bool(inner) and isinstance(within, dict) and has(within, inner))


def is_missing(value: Any) -> bool:
    """Whether a cell is empty, or NaN, as pandas writes it."""
    return value is None or value == "" or value != value  # noqa: PLR0124


def text(row: dict[str, Any], name: str) -> str:
    """Raises BadRow where the cell is no text."""
    value = cell(row, name)
    if not isinstance(value, str) or not value.strip():
        raise BadRow("is missing" if is_missing(value) else "is not text", name)
    return value


def option_texts(
    row: dict[str, Any], columns: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The options, and their labels where the row has any. Raises BadRow.

    A column may hold a list of texts; of objects with text and label; an object with the two
    lists; or a list in JSON, as CSV has to. Several columns hold an option each.
    """
    if len(columns) > 1:
        values = [cell(row, name) for name in columns]
        while values and is_missing(values[-1]):  # not every question has as many
            values.pop()
        return _texts(values, columns[0]), None
    [name] = columns
    value: Any = cell(row, name)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadRow("is not a list in JSON", name) from error
    labels: Any = None
    if isinstance(value, dict):
        value, labels = value.get("text"), value.get("label")
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        objects: list[dict[str, Any]] = value
        labels = [each.get("label") for each in objects]
        value = [each.get("text") for each in objects]
    if not isinstance(value, list):
        raise BadRow("is missing" if value is None else "is not a list of options", name)
    texts = _texts(value, name)
    if labels is None or not all(isinstance(each, str) and each for each in labels):
        return texts, None
    if len(labels) != len(texts):
        raise BadRow(f"has {len(labels)} labels for {len(texts)} options", name)
    return texts, tuple(labels)


def without_letters(texts: Sequence[str]) -> tuple[str, ...] | None:
    """The options without "(A)", "(B)", … before them; None unless all have theirs."""
    matches = [_LETTERED.match(each) for each in texts]
    found = "".join(match[1] for match in matches if match)
    if found != "".join(chr(ord("A") + place) for place in range(len(texts))):
        return None
    return tuple(each[match.end() :] for each, match in zip(texts, matches, strict=True) if match)


def _texts(values: Sequence[Any], name: str) -> tuple[str, ...]:
    for each in values:
        number = isinstance(each, int | float) and not is_missing(each)
        if not number and not (isinstance(each, str) and each.strip()):
            raise BadRow("holds an option that is not text", name)
    return tuple(map(str, values))
