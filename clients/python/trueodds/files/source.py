"""Rows of JSON, CSV and Parquet, read one after the other: a file of any size."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from trueodds.files.cells import Row
from trueodds.files.csv_file import csv_rows
from trueodds.files.errors import FileError
from trueodds.files.json_file import json_rows
from trueodds.files.parquet_file import count_rows, parquet_rows
from trueodds.files.text import Dialect

_BLOCK = 2**20
_DELIMITERS = {".csv": None, ".tsv": "\t", ".tab": "\t"}
_PLAIN = Dialect()
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows. ``digest`` is a hash of its bytes, ``count`` how many rows it has.

    ``stamp`` changes if the file is replaced, and ``name`` is its name in errors.
    """

    path: Path
    digest: str
    count: int
    stamp: tuple[int, ...]
    dialect: Dialect = _PLAIN
    name: str = ""

    def rows(self, start: int = 0, columns: Collection[str] = ()) -> Iterator[Row]:
        """The rows from ``start``, or what is wrong with each, in their order.

        Where ``columns`` are told, others may be left out.
        """
        return (row for _, row in self.placed(start, columns))

    def placed(self, start: int = 0, columns: Collection[str] = ()) -> Iterator[tuple[str, Row]]:
        """As ``rows``, each with its place in the file: "line 3", or "row 3"."""
        with _failures(self.name or str(self.path)):
            if _kind(self.path) == ".parquet":
                yield from parquet_rows(self.path, start, columns)
            else:
                yield from islice(_read(self.path, self.dialect), start, None)

    def check_unchanged(self) -> None:
        """Raises FileError where the file is no longer the one that was opened."""
        with _failures(self.name or str(self.path)):
            if _stamp(self.path) != self.stamp:
                raise FileError(f"{self.path} changed while it was read")


def open_source(path: Path, dialect: Dialect = _PLAIN, name: str = "") -> Source:
    """Reads the file once. Raises FileError if it cannot be read."""
    with _failures(name or str(path)):
        stamp = _stamp(path)
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if _kind(path) == ".parquet":
            count = count_rows(path)
        else:
            count = sum(1 for _ in _read(path, dialect))
    if not count:
        raise FileError(f"{name or path} holds no questions")
    return Source(path, digest.hexdigest(), count, stamp, dialect, name)


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _read(path: Path, dialect: Dialect) -> Iterator[tuple[str, Row]]:
    kind = _kind(path)
    if kind in _JSON:
        return json_rows(path, dialect.encoding)
    if kind in _DELIMITERS or dialect.delimiter is not None:
        delimiter = dialect.delimiter or _DELIMITERS.get(kind)
        return csv_rows(path, replace(dialect, delimiter=delimiter))
    known = ", ".join([*_JSON, *_DELIMITERS, ".parquet"])
    raise FileError(
        f"{path}: what kind of file it is has to show in its name: {known}; or --delimiter"
    )


@contextmanager
def _failures(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:  # the latter two are pyarrow's
        raise FileError(
            f"{name} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
