"""What a cell holds."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from trueodds.files.errors import BadRow
from trueodds.files.text import foreign_byte

Row: TypeAlias = dict[str, Any] | BadRow
_Each = TypeVar("_Each")

# What a cell of Parquet holds where Python has no value for it, such as a time in the year 20000.
UNREADABLE = object()


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


def few(rows: Iterable[_Each], most: int, size: int) -> Iterator[_Each]:
    """The next rows, to be held at once: so many, or fewer where they are larger than ``size``
    bytes together. Always one, where there is one.
    """
    for row in islice(rows, most):
        yield row
        size -= _size(row)
        if size <= 0:
            return


def _size(value: Any) -> int:
    """About how many bytes a value takes, however deep it is."""
    size, left = 0, [value]
    while left:
        each = left.pop()
        size += sys.getsizeof(each)
        if isinstance(each, dict):
            left += each.keys()
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each
    return size


def text(row: dict[str, Any], name: str) -> str:
    """Raises BadRow where the cell is no text."""
    value = cell(row, name)
    if not isinstance(value, str) or not value.strip():
        raise BadRow("is missing" if is_missing(value) else "is not text", name)
    check_bytes(value, name)
    return value


def check_bytes(value: str, name: str) -> None:
    """Raises BadRow, with the true cause, where a text holds a byte of another encoding."""
    if (wrong := foreign_byte(value)) is not None:
        raise BadRow(wrong, name)
