"""A writer of calibrators and activations is killed at a random moment, again and again."""

import os
import random
import select
import time
from contextlib import closing
from multiprocessing import get_context

from trueodds_service.store import SqlCalibratorStore, upgrade
from verification.chaos.databases import databases
from verification.chaos.kept import check
from verification.chaos.record import Result
from verification.chaos.writing import Told, calibrator, read, write

TRIES = 200
# Then comes an empty database: kills meet the making of tables as well, and checks stay quick.
_TRIES_OF_A_DATABASE = 20
# The share of kills that are timed from the writer's start; the others are timed from its first
# accepted write.
_EARLY = 0.2
_MOST_SECONDS = 0.5
_START_SECONDS = 60.0


def drill(kind: str, tries: int = TRIES, *, seed: int = 0) -> Result:
    """On a database of this kind. The moments are drawn from ``seed``."""
    result = Result(f"killed-writer-{kind}")
    moments = random.Random(seed)
    with databases(kind) as new_url:
        for first in range(0, tries, _TRIES_OF_A_DATABASE):
            url = new_url()
            told: dict[str, list[Told]] = {}
            for number in range(first, min(first + _TRIES_OF_A_DATABASE, tries)):
                tag = str(number)
                early = moments.random() < _EARLY
                told[tag] = killed(url, tag, moments.uniform(0, _MOST_SECONDS), early=early)
                result.recoveries.append(_write_once(url, number))
                with closing(SqlCalibratorStore(url)) as store:
                    check(store, told[tag], tag, result)
                result.tries += 1
            with closing(SqlCalibratorStore(url)) as store:
                for tag, each in told.items():
                    check(store, each, tag, result)
            result.count("writes accepted", sum(map(len, told.values())))
            result.count("killed before its first write", sum(not each for each in told.values()))
    return result


def killed(url: str, tag: str, seconds: float, *, early: bool) -> list[Told]:
    """What a writer was told until it was killed, ``seconds`` after its first write or start."""
    # Forked from a process that has imported everything: it begins within milliseconds.
    context = get_context("forkserver")
    context.set_forkserver_preload(["__main__", write.__module__])
    reading, writing = context.Pipe(duplex=False)
    writer = context.Process(target=write, args=(url, tag, writing), daemon=True)
    writer.start()
    writing.close()
    heard = b""
    with os.fdopen(os.dup(reading.fileno()), "rb", buffering=0) as lines:
        reading.close()
        for _ in range(1 if early else 2):
            if not select.select([lines], [], [], _START_SECONDS)[0]:
                raise TimeoutError("the writer does not write")
            heard += lines.readline()
        time.sleep(seconds)  # the moment of the kill, which waits for nothing
        writer.kill()
        writer.join()
        return read(heard + lines.read())


def _write_once(url: str, number: int) -> float:
    """The seconds that it takes to write, with all that the dead one still held."""
    began = time.monotonic()
    upgrade(url)
    with closing(SqlCalibratorStore(url)) as store:
        store.put(calibrator("recovery", 0, number), activate=True)
    return time.monotonic() - began
