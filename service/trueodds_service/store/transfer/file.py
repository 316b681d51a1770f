"""An archive ↔ a file that tells whether it is whole."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trueodds_service.store.errors import BadArchive, StoreError
from trueodds_service.store.transfer import lines
from trueodds_service.store.transfer.archive import Archive

_HEADER = {"format": "trueodds-store", "version": 1}


def write(archive: Archive, path: Path) -> str:
    """Writes a new file, durably; the SHA-256 of its content. Raises StoreError."""
    content = "".join(f"{_json(line)}\n" for line in _lines(archive)).encode()
    digest = hashlib.sha256(content).hexdigest()
    last = {"kind": "end", **asdict(archive.numbers), "sha256": digest}
    try:
        with path.open("xb") as file:  # which replaces nothing
            file.write(content + f"{_json(last)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise StoreError(f"{path} is there already") from error
    except OSError as error:
        # What there is of it has no last line: it cannot be taken for a whole one.
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    return digest


def read(path: Path) -> Archive:
    """Raises BadArchive where the file is cut off, altered, or none of these."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadArchive(f"{path} cannot be read: {error.strerror}") from error
    *rows, last, rest = content.split(b"\n") if content.count(b"\n") > 1 else [b"", b"", b"x"]
    header = _parsed(rows[0]) if rows else {}
    if rest or header.get("format") != _HEADER["format"]:
        raise BadArchive(f"{path} is no whole file of a store")
    if header != _HEADER:
        raise BadArchive(f"{path} is of version {header.get('version')}; this is for version 1")
    end = _parsed(last)
    digest = hashlib.sha256(content[: -len(last) - 1]).hexdigest()
    if end.get("kind") != "end" or end.get("sha256") != digest:
        raise BadArchive(f"{path} is cut off or altered: its digest is not that of its content")
    archive = _archive(path, rows[1:])
    if end != {"kind": "end", **asdict(archive.numbers), "sha256": digest}:
        raise BadArchive(f"{path} does not hold as many records as it says")
    return archive


def _lines(archive: Archive) -> Iterator[dict[str, Any]]:
    yield _HEADER
    for calibrator in archive.calibrators:
        yield {"kind": "calibrator", **lines.calibrator_line(calibrator)}
    for activation in archive.activations:
        yield {"kind": "activation", **lines.activation_line(activation)}
    for request in archive.requests:
        yield {"kind": "request", **lines.request_line(request)}


def _archive(path: Path, rows: list[bytes]) -> Archive:
    readers: dict[str, Callable[[dict[str, Any]], Any]] = {
        "calibrator": lines.kept_calibrator,
        "activation": lines.kept_activation,
        "request": lines.kept_request,
    }
    found: dict[str, list[Any]] = {kind: [] for kind in readers}
    for number, row in enumerate(rows, start=2):
        line = _parsed(row)
        kind = str(line.pop("kind", ""))
        try:
            if kind not in readers:
                raise BadArchive(f"it is of no known kind: {kind!r}")
            found[kind].append(readers[kind](line))
        except BadArchive as error:
            raise BadArchive(f"{path}, line {number}: {error}") from error
        except RecursionError as error:
            raise BadArchive(f"{path}, line {number}: it is nested too deeply") from error
    return Archive(*(tuple(each) for each in found.values()))


def _parsed(row: bytes) -> dict[str, Any]:
    try:
        line = json.loads(row)
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), allow_nan=False)
