"""Rows of JSON Lines, CSV and Parquet, read one after the other: a file of any size."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from trueodds.bulk.cells import Row
from trueodds.bulk.csv_file import csv_rows
from trueodds.bulk.errors import BadRow, BulkError
from trueodds.bulk.parquet_file import count_rows, parquet_rows

_BLOCK = 2**20
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows. ``digest`` is a hash of its bytes, ``count`` how many rows it has.

    ``stamp`` tells this file from one that takes its place.
    """

    path: Path
    digest: str
    count: int
    stamp: tuple[int, ...]

    def rows(self, start: int = 0, columns: Collection[str] = ()) -> Iterator[Row]:
        """The rows from ``start``, or what is wrong with each, in their order.

        Where ``columns`` are told, others may be left out.
        """
        with _failures(self.path):
            if _kind(self.path) == ".parquet":
                yield from parquet_rows(self.path, start, columns)
            else:
                yield from islice(_reader(self.path)(self.path), start, None)

    def check_unchanged(self) -> None:
        """Raises BulkError where the file is no longer the one that was opened."""
        with _failures(self.path):
            if _stamp(self.path) != self.stamp:
                raise BulkError(f"{self.path} changed while it was read")


def open_source(path: Path) -> Source:
    """Looks through the file once. Raises BulkError where it is none that can be read."""
    with _failures(path):
        stamp = _stamp(path)
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if _kind(path) == ".parquet":
            count = count_rows(path)
        else:
            count = sum(1 for _ in _reader(path, counting=True)(path))
    if not count:
        raise BulkError(f"{path} holds no rows")
    return Source(path, digest.hexdigest(), count, stamp)


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _reader(path: Path, *, counting: bool = False) -> Callable[[Path], Iterator[Any]]:
    if _kind(path) in _JSON:
        return _lines if counting else _json_rows
    if _kind(path) in _DELIMITERS:
        return partial(csv_rows, delimiter=_DELIMITERS[_kind(path)])
    known = ", ".join([*_JSON, *_DELIMITERS, ".parquet"])
    raise BulkError(f"{path}: what kind of file it is has to show in its name: {known}")


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:  # the latter two are pyarrow's
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
