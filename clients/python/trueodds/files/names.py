"""Names of columns: which are none, which are meant by a layout's, and how messages list them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from trueodds.files.errors import FileError
from trueodds.files.text import foreign_byte

# Names in a message, and characters of each: a file may have any number of any length.
_MOST = 50
_LENGTH = 100


def shown(name: str) -> str:
    """A name for a message."""
    return name if len(name) <= _LENGTH else f"{name[:_LENGTH]}…"


def listed(names: Sequence[str]) -> str:
    """Names for a message: as many as somebody reads, and how many others there are."""
    said = ", ".join(map(shown, names[:_MOST]))
    more = len(names) - _MOST
    return f"{said} and {more:,} more" if more > 0 else said


def repeated(names: Iterable[str]) -> Iterator[str]:
    """The names that were there before, in their order."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def check_names(names: Sequence[str], path: Path) -> None:
    """Raises FileError where a name of a column is no text, or is that of two."""
    if (twice := next(filter(None, repeated(names)), None)) is not None:
        raise FileError(f"{path} has two columns named {shown(twice)!r}")
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            why = foreign_byte(name) or "is not UTF-8"
            raise FileError(f"{path}: the name of a column: {why}") from error


def all_names(sample: Iterable[dict[str, Any]]) -> list[str]:
    """The columns of rows, and those inside of objects: b of the object in a is a.b.

    Not inside of those with long names, which are no layout's: each name in there would repeat it.
    """
    found: dict[str, None] = {}
    for row in sample:
        for name, value in row.items():
            found[name] = None
            if isinstance(value, dict) and len(name) <= _LENGTH:
                found |= dict.fromkeys(f"{name}.{inner}" for inner in value)
    return [*found]


def resolve(known: str, names: Iterable[str]) -> str | None:
    """The column that is called so but for capitals, or None.

    Raises FileError where two are.
    """
    known = known.lower()
    found = [name for name in names if name.strip().lower() == known]
    if len(found) > 1:
        raise FileError(f"the columns {listed(found)} differ in capitals only; name one")
    return found[0] if found else None
