"""A process that writes calibrators to a store and says so, until it is killed."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection

from trueodds_service.store import Calibrator, FitRequest, Scope, SqlCalibratorStore, upgrade

MODEL = "chaos"
_THREADS = 2
_MOST = 10_000


@dataclass(frozen=True)
class Told:
    """A write that the store has accepted.

    ``kind`` is put, fit (put, activated and with the name of its request, at once) or activate;
    ``sequence`` is 0 where the store tells none.
    """

    kind: str
    thread: int
    number: int
    id: str
    sequence: int


def scope(thread: int) -> Scope:
    """Each thread has one, so that the order of its own writes is known."""
    return Scope(MODEL, "3f2a", f"task-{thread}", "paren", 1, 4)


def calibrator(tag: str, thread: int, number: int) -> Calibrator:
    """Like no other."""
    return Calibrator(
        scope=scope(thread), method=f"chaos-{tag}", parameters={"temperature": (1.0 + number,)}
    )


def request(tag: str, thread: int, number: int) -> FitRequest:
    return FitRequest(f"{tag}-{thread}-{number}", f"content-{tag}-{thread}-{number}")


def write(url: str, tag: str, pipe: Connection) -> None:
    """Writes, and tells of each write as soon as the store has accepted it.

    A line shorter than a pipe's buffer is there as a whole or not at all.
    """
    output = pipe.fileno()
    os.write(output, b"begun\n")
    upgrade(url)
    store = SqlCalibratorStore(url)

    def tell(kind: str, thread: int, number: int, kept: str, sequence: int = 0) -> None:
        os.write(output, f"{kind} {thread} {number} {kept} {sequence}\n".encode())

    def one(thread: int, number: int) -> None:
        new = calibrator(tag, thread, number)
        if number % 2:
            store.put(new, activate=True, request=request(tag, thread, number))
            tell("fit", thread, number, new.id)
            return
        store.put(new)
        tell("put", thread, number, new.id)
        activation = store.activate(MODEL, new.id)
        tell("activate", thread, number, new.id, activation.sequence)

    until_killed(one)


def until_killed(one: Callable[[int, int], None]) -> None:
    """Has each thread write one after the other: its number, and that of the write."""

    def many(thread: int) -> None:
        for number in range(_MOST):
            one(thread, number)

    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(many, thread) for thread in threads()]:
            done.result()


def again(url: str, tag: str, _told: Sequence[Told]) -> list[Told]:
    """One write more, which belongs to no tag."""
    with closing(SqlCalibratorStore(url)) as store:
        store.put(calibrator("recovery", 0, int(tag)), activate=True)
    return []


def read(lines: bytes) -> list[Told]:
    """What a writer has told."""
    found = []
    for line in lines.decode().splitlines():
        if line != "begun":
            kind, thread, number, kept, sequence = line.split()
            found.append(Told(kind, int(thread), int(number), kept, int(sequence)))
    return found


def threads() -> range:
    return range(_THREADS)
