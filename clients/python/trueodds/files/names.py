"""Names of columns: which are none, and which are meant by a layout's."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trueodds.files.errors import FileError
from trueodds.files.text import foreign_byte


def check_names(names: Sequence[str], path: Path) -> None:
    """Raises FileError where a name of a column is no text, or is that of two."""
    for name in names:
        if name and names.count(name) > 1:
            raise FileError(f"{path} has two columns named {name!r}")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            why = foreign_byte(name) or "is not UTF-8"
            raise FileError(f"{path}: the name of a column: {why}") from error


def all_names(sample: Iterable[dict[str, Any]]) -> list[str]:
    """The columns of rows, and those inside of objects: b of the object in a is a.b."""
    found: dict[str, None] = {}
    for row in sample:
        for name, value in row.items():
            found[name] = None
            if isinstance(value, dict):
                found |= dict.fromkeys(f"{name}.{inner}" for inner in value)
    return [*found]


def resolve(known: str, names: Iterable[str]) -> str | None:
    """The column that is called so but for capitals, or None.

    Raises FileError where two are.
    """
    found = [name for name in names if name.strip().lower() == known.lower()]
    if len(found) > 1:
        raise FileError(f"the columns {', '.join(found)} differ in capitals only; name one")
    return found[0] if found else None
