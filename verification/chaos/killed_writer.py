"""A writer to the store is killed at a random moment, again and again."""

import os
import random
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from trueodds_service.store import upgrade
from verification.chaos import kept, outcomes, writing
from verification.chaos.databases import databases
from verification.chaos.record import Result

TRIES = 200
# Then comes an empty database: kills meet the making of tables as well, and checks stay quick.
_TRIES_OF_A_DATABASE = 20
# The share of kills that are timed from the writer's start; the others are timed from its first
# accepted write.
_EARLY = 0.2
_MOST_SECONDS = 0.5
_START_SECONDS = 60.0

Told = TypeVar("Told")


@dataclass(frozen=True)
class Writer(Generic[Told]):
    """What is killed. Each has a tag of its own; ``Told`` is a write that the store accepted."""

    name: str
    write: Callable[[str, str, Connection], None]
    """Writes to the database at a URL, and tells of each write, until it is killed."""
    read: Callable[[bytes], list[Told]]
    """What it has told."""
    again: Callable[[str, str, list[Told]], list[Told]]
    """Writes after its death, with all that the dead one still held."""
    check: Callable[[str, str, list[Told], Result], None]
    """Counts what the database lacks, has twice or by half."""


CALIBRATORS = Writer("killed-writer", writing.write, writing.read, writing.again, kept.check)
OUTCOMES = Writer(
    "killed-outcome-writer", outcomes.write, outcomes.read, outcomes.again, outcomes.check
)


def drill(writer: Writer[Told], kind: str, tries: int = TRIES, *, seed: int = 0) -> Result:
    """On a database of this kind. The moments are drawn from ``seed``."""
    result = Result(f"{writer.name}-{kind}")
    moments = random.Random(seed)
    with databases(kind) as new_url:
        for first in range(0, tries, _TRIES_OF_A_DATABASE):
            url = new_url()
            told: dict[str, list[Told]] = {}
            for number in range(first, min(first + _TRIES_OF_A_DATABASE, tries)):
                tag = str(number)
                early = moments.random() < _EARLY
                heard = killed(writer, url, tag, moments.uniform(0, _MOST_SECONDS), early=early)
                result.count("writes accepted", len(heard))
                result.count("killed before its first write", not heard)
                began = time.monotonic()
                upgrade(url)
                upgraded = time.monotonic()
                writer.check(url, tag, heard, result)  # before it may be mended
                checked = time.monotonic()
                told[tag] = heard + writer.again(url, tag, heard)
                result.recoveries.append(upgraded - began + time.monotonic() - checked)
                writer.check(url, tag, told[tag], result)
                result.tries += 1
            for tag, each in told.items():
                writer.check(url, tag, each, result)
    return result


def killed(writer: Writer[Told], url: str, tag: str, seconds: float, *, early: bool) -> list[Told]:
    """What a writer was told until it was killed, ``seconds`` after its first write or start."""
    # Forked from a process that has imported everything: it begins within milliseconds.
    context = get_context("forkserver")
    context.set_forkserver_preload(["__main__", writer.write.__module__])
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=writer.write, args=(url, tag, writing), daemon=True)
    process.start()
    writing.close()
    heard = b""
    with os.fdopen(os.dup(reading.fileno()), "rb", buffering=0) as lines:
        reading.close()
        for _ in range(1 if early else 2):
            if not select.select([lines], [], [], _START_SECONDS)[0]:
                raise TimeoutError("the writer does not write")
            heard += lines.readline()
        time.sleep(seconds)  # the moment of the kill, which waits for nothing
        process.kill()
        process.join()
        return writer.read(heard + lines.read())
