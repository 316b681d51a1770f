"""Rows of JSON: one object a line, one array of objects, or one object over many lines."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from trueodds.files.cells import Row
from trueodds.files.errors import BadRow, FileError
from trueodds.files.names import repeated, shown
from trueodds.files.text import foreign_byte, open_text

# Where an object that is the whole file keeps its rows; BIG-bench calls them examples.
_ROWS = ("examples", "questions", "rows", "data", "items")

# What is read as a whole, in characters: an array, or objects that are not one a line.
_LARGEST = 2**28


def json_rows(path: Path, encoding: str | None) -> Iterator[tuple[str, Row]]:
    """Each row, or what is wrong with it, with its place. Only lines are read one by one."""
    with open_text(path, encoding) as file:
        numbered = enumerate(file, 1)
        first = next(((number, line) for number, line in numbered if line.strip()), (0, ""))
        if _is_begun(first[1]):
            file.seek(0)
            text = file.read(_LARGEST + 1)
            if (whole := _whole(path, text)) is not None:
                yield from ((f"row {number}", _object(row)) for number, row in enumerate(whole, 1))
                return
            file.seek(0)
            numbered, first = enumerate(file, 1), (0, "")
        for number, line in chain([first], numbered):
            if line.strip():
                yield f"line {number}", _line(line)


def _is_begun(line: str) -> bool:
    """Whether a line begins an array or an object that does not end in it."""
    line = line.strip()
    if line.startswith("["):
        return not line.startswith("[" * 1000)  # deeper than JSON is read
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return line.startswith("{") and error.pos >= len(line)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return False
    return False


def _whole(path: Path, text: str) -> list[Any] | None:
    """The rows of a file that is one JSON array; None if it is not JSON as a whole."""
    array = text.lstrip("\ufeff \t\r\n").startswith("[")
    if len(text) > _LARGEST:
        if array:
            raise FileError(
                f"{path} is one JSON list, and too large for it; write an object a line"
            )
        return None
    if (wrong := foreign_byte(text)) is not None:
        raise FileError(f"{path}: {wrong}")
    try:
        found = list(_documents(text))
    except NamedTwice as error:
        raise FileError(f"{path}: an object {error}") from error
    except (ValueError, RecursionError) as error:
        if array:
            raise FileError(f"{path} is one JSON list that is not whole: {error}") from error
        return None
    if len(found) > 1:
        return found
    [document] = found
    if isinstance(document, list):
        return document
    rows = [document[name] for name in _ROWS if isinstance(document.get(name), list)]
    return rows[0] if len(rows) == 1 and isinstance(document, dict) else found


def _documents(text: str) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(object_pairs_hook=named_once), 0
    text = text.strip()
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        while place < len(text) and text[place].isspace():
            place += 1


def _line(line: str) -> Row:
    try:
        row = json.loads(line, object_pairs_hook=named_once)
    except NamedTwice as error:
        return BadRow(str(error))
    except json.JSONDecodeError as error:
        why = foreign_byte(line) or f"is not JSON ({error.msg}, column {error.colno})"
        return BadRow(why)
    except RecursionError:
        return BadRow("is not JSON (maximum recursion depth exceeded)")
    except ValueError:
        return BadRow("has a number of too many digits")
    if (wrong := foreign_byte(line)) is not None:
        return BadRow(wrong)
    return _object(row)


class NamedTwice(ValueError):
    """An object has a name twice: of the two, JSON's readers take the last without a word."""


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises NamedTwice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(repeated(name for name, _ in pairs))
        raise NamedTwice(f"has {shown(twice)!r} twice")
    return found


def _object(row: Any) -> Row:
    return row if isinstance(row, dict) else BadRow("is not a JSON object")
