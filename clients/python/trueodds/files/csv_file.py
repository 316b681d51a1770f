"""Rows of CSV, TSV and their like, with a header or, as MMLU's files are, without."""

import csv
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import IO

from trueodds.files.cells import Row
from trueodds.files.errors import BadRow, FileError
from trueodds.files.names import check_names
from trueodds.files.text import Dialect, open_text

# Characters; a quote that is never closed would take the rest of the file for its cell.
_LARGEST_CELL = 2**24


def csv_rows(path: Path, dialect: Dialect) -> Iterator[tuple[str, Row]]:
    """Each row with its line. ``dialect`` has a delimiter, or it is a comma or semicolon.

    Raises FileError where it is not known where a row ends: the rest would be other rows.
    """
    csv.field_size_limit(_LARGEST_CELL)
    # Bytes that are not UTF-8 are refused only in cells that are read.
    with open_text(path, dialect.encoding) as file:
        delimiter = dialect.delimiter or _delimiter(file)
        yield from _records(file, path, delimiter, dialect.quoting or "minimal")


def _delimiter(file: IO[str]) -> str:
    """A semicolon or tab where the first line has several and no comma: one column asks nothing."""
    line = file.readline()
    file.seek(0)
    others = [each for each in ";\t" if line.count(each) > 1]
    return others[0] if len(others) == 1 and "," not in line else ","


def _records(file: IO[str], path: Path, delimiter: str, quoting: str) -> Iterator[tuple[str, Row]]:
    none = quoting == "none"
    reader = csv.reader(
        file,
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if none else csv.QUOTE_MINIMAL,
        strict=not none,
    )
    header: list[str] | None = None
    while True:
        before = reader.line_num
        place = f"line {before + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = str(error) == "unexpected end of data"
            if header is None or last or reader.line_num > before + 1:
                raise FileError(
                    f"{path}: a quote in {place} does not close where its cell ends; "
                    "--quoting none where quotes are text"
                ) from error
            yield place, BadRow(f"is not CSV ({error}); --quoting none where quotes are text")
            continue
        if not cells:
            continue
        if header is None:
            header, cells = _header(cells)
            check_names(header, path)
            if not cells:
                continue
        if len(cells) != len(header):
            yield place, BadRow(f"has {len(cells)} cells; the header has {len(header)}")
        else:
            yield place, dict(zip(header, cells, strict=True))


def _header(cells: list[str]) -> tuple[list[str], list[str]]:
    """The names of the columns, and the first row where it is one.

    MMLU's files have no header: a question, its options, and the letter of the right one. A
    header whose last column is an option's has the other options' before it.
    """
    if len(cells) - 2 > len(ascii_uppercase):
        return cells, []
    letters = [*ascii_uppercase[: max(len(cells) - 2, 0)]]
    names = ["question", *letters, "answer"]
    if letters[1:] and cells[-1] in letters and "question" not in map(str.lower, cells):
        named = letters[: letters.index(cells[-1]) + 1]
        if cells[-1] == "A" or cells[-len(named) :] != named:
            return names, cells
    return cells, []
