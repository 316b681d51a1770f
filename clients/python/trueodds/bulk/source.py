"""Rows of JSON Lines, CSV and Parquet, read one after the other: a file of any size."""

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeAlias

from trueodds.bulk.errors import BadRow, BulkError

Row: TypeAlias = dict[str, Any] | BadRow

_BLOCK = 2**20
_PARQUET_ROWS = 1024
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows. ``digest`` is a hash of its bytes, ``count`` how many rows it has."""

    path: Path
    digest: str
    count: int

    def rows(self, start: int = 0) -> Iterator[Row]:
        """The rows from ``start``, or what is wrong with each, in their order."""
        with _failures(self.path):
            if self.path.suffix == ".parquet":
                yield from _parquet_rows(self.path, start)
            else:
                yield from islice(_reader(self.path)(self.path), start, None)


def open_source(path: Path) -> Source:
    """Looks through the file once. Raises BulkError where it is none that can be read."""
    with _failures(path):
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if path.suffix == ".parquet":
            count = int(_parquet(path).metadata.num_rows)
        else:
            count = sum(1 for _ in _reader(path, counting=True)(path))
    if not count:
        raise BulkError(f"{path} holds no rows")
    return Source(path, digest.hexdigest(), count)


def _reader(path: Path, *, counting: bool = False) -> Callable[[Path], Iterator[Any]]:
    if path.suffix in _JSON:
        return _lines if counting else _json_rows
    if path.suffix in _DELIMITERS:
        return _csv_rows
    known = ", ".join([*_JSON, *_DELIMITERS, ".parquet"])
    raise BulkError(f"{path}: what kind of file it is has to show in its name: {known}")


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a ValueError of pyarrow's: the file is damaged
        raise BulkError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if line := (line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line).strip():
                if number == 0 and line.startswith(b"["):
                    raise BulkError(f"{path} is one JSON list; write one object a line")
                yield line


def _json_rows(path: Path) -> Iterator[Row]:
    for line in _lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # not JSON, or not UTF-8
            yield BadRow("is not JSON")
            continue
        yield row if isinstance(row, dict) else BadRow("is not a JSON object")


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    # What is not UTF-8 is refused where it is text of a question.
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        yield from _records(file, _DELIMITERS[path.suffix])


def _records(file: IO[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader(file, delimiter=delimiter)
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(f"is not CSV ({error})")
            continue
        if not cells:
            continue
        if header is None:
            header, cells = _header(cells)
            if not cells:
                continue
        if len(cells) != len(header):
            yield BadRow(f"has {len(cells)} cells; the header has {len(header)}")
        else:
            yield dict(zip(header, cells, strict=True))


def _header(cells: list[str]) -> tuple[list[str], list[str]]:
    """The names of the columns, and the first row where it is one.

    MMLU's files have no header: a question, its options, and the letter of the right one.
    """
    letters = [chr(ord("A") + place) for place in range(len(cells) - 2)]
    if len(letters) > 1 and cells[-1] in letters and "question" not in map(str.lower, cells):
        return ["question", *letters, "answer"], cells
    return cells, []


def _parquet(path: Path) -> Any:
    from pyarrow import parquet  # noqa: PLC0415 (the extra bulk)

    return parquet.ParquetFile(path)


def _parquet_rows(path: Path, start: int) -> Iterator[Row]:
    file = _parquet(path)
    first, skipped = 0, 0
    sizes = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
    while first < len(sizes) and skipped + sizes[first] <= start:
        skipped += sizes[first]
        first += 1
    groups = list(range(first, len(sizes)))
    if not groups:
        return
    batches = file.iter_batches(batch_size=_PARQUET_ROWS, row_groups=groups)
    yield from islice(
        (row for batch in batches for row in batch.to_pylist()), start - skipped, None
    )
