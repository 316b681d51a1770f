"""What a run has finished, in a folder beside its output, so that any interruption loses little.

Each part is a file of rows that follow those of the part before; it gets its name only once it
is written whole. So the parts are always the beginning of the output, and a run goes on where
they end. A part whose name is there twice is the same rows twice: they are replaced, not added.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from trueodds.bulk.errors import BulkError
from trueodds.bulk.table import SCHEMA

_NAME = re.compile(r"rows-(\d{12})-(\d{12})\.parquet")
_KEY = b"trueodds"
_GROUP_ROWS = 2**14
_GROUP_BYTES = 2**27


class Parts:
    """The parts of one run. ``settings`` are all that the output depends on, as JSON knows it."""

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self._output = output
        self._folder = output.with_name(f"{output.name}.parts")
        self._settings = json.loads(json.dumps(settings))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The folder, held by this process alone; the value is how many rows it has.

        Raises BulkError where it was begun with other settings, or is in use.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BulkError(f"another run is writing {self._output}") from error
            manifest = self._folder / "manifest.json"
            if manifest.exists():
                _check_same(json.loads(manifest.read_text()), self._settings, self._folder)
            else:
                for rest in self._folder.glob("rows-*"):  # of a removal that was cut off
                    rest.unlink()
                _write(manifest, lambda path: path.write_text(json.dumps(self._settings)))
            yield max((stop for _, stop in self._found()), default=0)

    def add(self, first: int, table: pa.Table, facts: Mapping[str, Any]) -> None:
        """Keeps rows ``first`` and on; after that they are there even if the power fails.

        ``facts`` is what is to be known of them when they are resumed.
        """
        told = table.replace_schema_metadata({_KEY: json.dumps(facts).encode()})
        path = self._path(first, first + table.num_rows)
        _write(path, lambda path: parquet.write_table(told, path))

    def facts(self) -> Iterator[dict[str, Any]]:
        """What is known of each part."""
        for first, stop in self._found():
            yield json.loads(parquet.read_schema(self._path(first, stop)).metadata[_KEY])

    def merge(self) -> None:
        """Writes the output, and removes the parts: the output says itself that it is whole."""
        schema = SCHEMA.with_metadata({_KEY: json.dumps(self._settings).encode()})

        def write(path: Path) -> None:
            with parquet.ParquetWriter(path, schema) as writer:
                for table in self._tables():
                    writer.write_table(table.cast(schema))

        _write(self._output, write)
        shutil.rmtree(self._folder)

    def finished(self) -> bool:
        """Whether the output is there already. Raises BulkError where it is another run's."""
        if not self._output.exists():
            return False
        try:
            metadata = parquet.read_schema(self._output).metadata or {}
            settings = json.loads(metadata[_KEY])
        except (OSError, ValueError, KeyError) as error:
            raise BulkError(f"{self._output} exists, and is no output of this command") from error
        _check_same(settings, self._settings, self._output)
        # An end between the output's birth and the parts' death.
        shutil.rmtree(self._folder, ignore_errors=True)
        return True

    def _path(self, first: int, stop: int) -> Path:
        return self._folder / f"rows-{first:012}-{stop:012}.parquet"

    def _found(self) -> list[tuple[int, int]]:
        """First and last but one of each part, in their order. Raises BulkError at a gap."""
        names = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        found = sorted((int(name[1]), int(name[2])) for name in names if name)
        expected = 0
        for first, stop in found:
            if first != expected:
                raise BulkError(
                    f"{self._folder}: rows {expected} to {first} are missing; remove the folder"
                )
            expected = stop
        return found

    def _tables(self) -> Iterator[pa.Table]:
        """All rows, in tables of a good size for a row group."""
        kept: list[pa.Table] = []
        rows = size = 0
        for first, stop in self._found():
            table = parquet.read_table(self._path(first, stop))
            kept.append(table.replace_schema_metadata())
            rows, size = rows + table.num_rows, size + table.nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.concat_tables(kept)
                kept, rows, size = [], 0, 0
        if kept:
            yield pa.concat_tables(kept)


def _write(path: Path, write: Any) -> None:
    """Writes a file that is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_same(old: Mapping[str, Any], new: Mapping[str, Any], where: Path) -> None:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            said = f"{_short(old.get(name))}, and now {_short(new.get(name))}"
            raise BulkError(
                f"{where} is of a run with other settings ({name}: {said}); "
                "name another output, or remove it"
            )


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 120 else f"{said[:120]}…"  # noqa: PLR2004 (a line's worth)
