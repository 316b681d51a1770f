"""What a cell holds: options, and which of them is right, in the ways that benchmarks say it."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from trueodds.bulk.errors import BadRow

_LETTERED = re.compile(r"\s*[(\[]?([A-Z])[)\].:]\s*")


def cell(row: dict[str, Any], name: str) -> Any:
    """The value of a column; a.b is b of the object in a. None where it is not there."""
    if name in row:
        return row[name]
    outer, _, inner = name.partition(".")
    within: Any = row.get(outer)
    return cell(within, inner) if inner and isinstance(within, dict) else None


def text(row: dict[str, Any], name: str) -> str:
    """Raises BadRow where the cell is no text."""
    value = cell(row, name)
    if not isinstance(value, str) or not value.strip():
        raise BadRow("is missing" if value in (None, "") else "is not text", name)
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
        while values and values[-1] in (None, ""):  # not every question has as many
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


def answer_index(
    value: Any, texts: Sequence[str], labels: Sequence[str] | None, first: int
) -> int | None:
    """Which option a cell says is right, from 0: by label, letter, number or text.

    None where it says nothing. Raises BadRow where it is no option.
    """
    if isinstance(value, str):
        index = _named(value.strip(), texts, labels, first)
    elif isinstance(value, float) and (math.isnan(value) or value.is_integer()):
        index = None if math.isnan(value) else int(value) - first
    elif isinstance(value, int) and not isinstance(value, bool):
        # Data sets that keep their answers to themselves say -1.
        index = None if value == -1 else value - first
    elif value is None:
        index = None
    else:
        raise BadRow("is no option")
    if index is not None and not 0 <= index < len(texts):
        raise BadRow("is no option")
    return index


def without_letters(texts: Sequence[str]) -> tuple[str, ...] | None:
    """The options without "(A)", "(B)", … before them; None unless all have theirs."""
    matches = [_LETTERED.match(each) for each in texts]
    found = "".join(match[1] for match in matches if match)
    if found != "".join(chr(ord("A") + place) for place in range(len(texts))):
        return None
    return tuple(each[match.end() :] for each, match in zip(texts, matches, strict=True) if match)


def _texts(values: Sequence[Any], name: str) -> tuple[str, ...]:
    numbers = [each for each in values if isinstance(each, int | float)]
    if not all((isinstance(each, str) and each.strip()) or each in numbers for each in values):
        raise BadRow("holds an option that is not text", name)
    return tuple(map(str, values))


def _named(
    value: str, texts: Sequence[str], labels: Sequence[str] | None, first: int
) -> int | None:
    if value in ("", "-1"):
        return None
    if labels and value in labels:
        return list(labels).index(value)
    index = None
    if (match := re.fullmatch(r"[(\[]?([A-Za-z])[)\].:]?", value)) is not None:
        index = ord(match[1].upper()) - ord("A")
    elif re.fullmatch(r"[0-9]{1,9}", value):
        index = int(value) - first
    if index is not None and 0 <= index < len(texts):
        return index
    if value in texts:
        return list(texts).index(value)
    raise BadRow("is no option")
