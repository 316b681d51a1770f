"""Large files hashed whole: SHA-256 of the SHA-256 of their parts, which are read in parallel."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from trueodds_service.revision import cache
from trueodds_service.revision.identity import Identity

PART_BYTES = 64 * 2**20
_BLOCK_BYTES = 4 * 2**20
_MAX_THREADS = 16

Progress = Callable[[int, int], None]
"""Told the bytes that are read, and those that are to be read, whenever a part is."""


def digests(paths: Iterable[Path], progress: Progress | None = None) -> Mapping[Path, str]:
    """The digest of each file, hexadecimal; read only where no earlier reading is known.

    Raises OSError, also where a file changes while it is read.
    """
    found: dict[Path, str] = {}
    unknown: dict[Path, Identity] = {}
    for path in paths:
        identity = Identity.of(path)
        known = cache.recall(identity)
        if known is None:
            unknown[path] = identity
        else:
            found[path] = known
    for path, digest in _read({path: each.size for path, each in unknown.items()}, progress):
        if Identity.of(path) != unknown[path]:
            raise OSError(f"{path.name} changed while it was read")
        cache.remember(unknown[path], digest)
        found[path] = digest
    return found


def _read(sizes: Mapping[Path, int], progress: Progress | None) -> Iterator[tuple[Path, str]]:
    """The digest of each file, whose bytes ``sizes`` has, once all of its parts are read."""
    total, read = sum(sizes.values()), 0
    parts: dict[Path, dict[int, bytes]] = {path: {} for path in sizes}
    threads = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1))
    try:
        pending = {
            threads.submit(_part, path, start): (path, start)
            for path, size in sizes.items()
            for start in range(0, size, PART_BYTES)
        }
        for done in as_completed(pending):
            path, start = pending[done]
            parts[path][start] = done.result()
            read += min(PART_BYTES, sizes[path] - start)
            if progress is not None:
                progress(read, total)
            if len(parts[path]) * PART_BYTES >= sizes[path]:
                ordered = [part for _, part in sorted(parts.pop(path).items())]
                yield path, hashlib.sha256(b"".join(ordered)).hexdigest()
    finally:
        threads.shutdown(cancel_futures=True)


def _part(path: Path, start: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = PART_BYTES
        while left and (block := file.read(min(left, _BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
    return digest.digest()
