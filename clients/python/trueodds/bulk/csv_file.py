"""Rows of CSV and TSV, with a header or, as MMLU's files are, without."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from trueodds.bulk.cells import Row
from trueodds.bulk.columns import check_names
from trueodds.bulk.errors import BadRow, BulkError

# Characters; a quote that is never closed would take the rest of the file for its cell.
_LARGEST_CELL = 2**24


def csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    """Raises BulkError where it is not known where a row ends: the rest would be other rows."""
    csv.field_size_limit(_LARGEST_CELL)
    # What is not UTF-8 is refused where it is taken for something.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        yield from _records(file, path, delimiter)


def _records(file: IO[str], path: Path, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        before = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = str(error) == "unexpected end of data"
            if header is None or last or reader.line_num > before + 1:
                raise BulkError(
                    f"{path}: a quote in line {before + 1} does not close where its cell ends"
                ) from error
            yield BadRow(f"is not CSV ({error})")
            continue
        if not cells:
            continue
        if header is None:
            header, cells = _header(cells)
            check_names(header, path)
            if not cells:
                continue
        if len(cells) != len(header):
            yield BadRow(f"has {len(cells)} cells; the header has {len(header)}")
        else:
            yield dict(zip(header, cells, strict=True))


def _header(cells: list[str]) -> tuple[list[str], list[str]]:
    """The names of the columns, and the first row where it is one.

    MMLU's files have no header: a question, its options, and the letter of the right one. A
    header whose last column is an option's has the other options' before it.
    """
    letters = [chr(ord("A") + place) for place in range(len(cells) - 2)]
    names = ["question", *letters, "answer"]
    if letters[1:] and cells[-1] in letters and "question" not in map(str.lower, cells):
        named = letters[: letters.index(cells[-1]) + 1]
        if cells[-1] == "A" or cells[-len(named) :] != named:
            return names, cells
    return cells, []
