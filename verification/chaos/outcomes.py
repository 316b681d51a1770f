"""A process that records outcomes and says so, until it is killed; and what is there then.

What each batch holds follows from its number, so that what a store should have can be told by who
did not write it.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

from trueodds_service.store import Kept, Outcome, Recorded, SqlOutcomeStore, upgrade
from verification.chaos.record import Result
from verification.chaos.writing import scope, threads, until_killed

_NEW = 20
_OPTIONS = 4
_FIRST_ANSWER = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """A batch that the store has accepted, and the key that it seals receipts with."""

    thread: int
    number: int
    recorded: Recorded
    seal: str


@dataclass(frozen=True)
class Expected:
    """What is there after some batches: outcomes in the order in which they were first told, and
    how many batches corrected one.
    """

    outcomes: tuple[Kept, ...]
    corrections: int
    recorded: tuple[Recorded, ...]
    """What each batch is answered."""


def calibrator(tag: str, thread: int) -> str:
    """What a thread of a tag has its outcomes of: nobody else's."""
    return f"{tag}-{thread}"


def batch(tag: str, thread: int, number: int) -> list[Outcome]:
    """New outcomes, corrections of those of the two batches before, and words said again."""
    return [
        Outcome(
            answer_id=f"{tag} {thread} {answer}".encode(),
            scope=scope(thread),
            calibrator=calibrator(tag, thread),
            choice=answer % _OPTIONS,
            option=option,
            probabilities=struct.pack("<4f", answer, 0.5, 0.25, 0.25),
            calibrated=struct.pack("<4f", 0.25, 0.25, 0.5, answer),
            answered_at=_FIRST_ANSWER + timedelta(seconds=answer),
        )
        for answer, option in _words(number)
    ]


def _words(number: int) -> Iterator[tuple[int, int | None]]:
    """Of each answer the option; that of an answer that comes twice is the later one."""
    first = _NEW * number
    for answer in range(first, first + _NEW):
        if answer % 5 == 0:
            yield answer, (answer + 3) % _OPTIONS
        yield answer, _option(answer, 0)
    if number >= 1:
        for answer in range(first - _NEW, first - _NEW + 10):
            yield answer, _option(answer, 1 if answer % 2 else 0)
    if number >= 2:
        for answer in range(first - 2 * _NEW, first - 2 * _NEW + 4):
            yield answer, _option(answer, 2)


def _option(answer: int, correction: int) -> int | None:
    """Of some answers nobody knows at first."""
    return None if answer % 7 == 0 and not correction else (answer + correction) % _OPTIONS


def expected(tag: str, thread: int, batches: int) -> Expected:
    """Counted by the rules of docs/outcomes.md, without a database."""
    there: dict[bytes, Outcome] = {}
    corrections = 0
    recorded = []
    for number in range(batches):
        told = batch(tag, thread, number)
        last = {each.answer_id: each for each in told}
        new = len(last.keys() - there.keys())
        corrected = sum(
            name in there and there[name].option != each.option for name, each in last.items()
        )
        there |= last
        corrections += corrected > 0
        recorded.append(Recorded(new, corrected, len(told) - new - corrected))
    return Expected(tuple(map(_kept, there.values())), corrections, tuple(recorded))


def _kept(outcome: Outcome) -> Kept:
    return Kept(
        outcome.choice,
        outcome.option,
        outcome.probabilities,
        outcome.calibrated,
        outcome.answered_at,
    )


def write(url: str, tag: str, pipe: Connection) -> None:
    """Records batches, and tells of each as soon as the store has accepted it.

    A line shorter than a pipe's buffer is there as a whole or not at all.
    """
    output = pipe.fileno()
    os.write(output, b"begun\n")
    upgrade(url)
    store = SqlOutcomeStore(url)
    seal = store.seal().hex()

    def one(thread: int, number: int) -> None:
        counts = " ".join(map(str, store.record(batch(tag, thread, number))))
        os.write(output, f"{thread} {number} {counts} {seal}\n".encode())

    until_killed(one)


def read(lines: bytes) -> list[Told]:
    """What a writer has told."""
    found = []
    for line in lines.decode().splitlines():
        if line != "begun":
            *numbers, seal = line.split()
            thread, number, *counts = map(int, numbers)
            found.append(Told(thread, number, Recorded(*counts), seal))
    return found


def again(url: str, tag: str, told: Sequence[Told]) -> list[Told]:
    """Each thread's batch that was under way is told again, as a caller does who had no answer."""
    with closing(SqlOutcomeStore(url)) as store:
        seal = store.seal().hex()
        return [
            Told(thread, number, store.record(batch(tag, thread, number)), seal)
            for thread in threads()
            for number in [sum(each.thread == thread for each in told)]
        ]


def check(url: str, tag: str, told: Sequence[Told], result: Result) -> None:
    """Counts outcomes that were accepted and are gone, or not as they were last told; those that
    are there twice; and halves of batches.
    """
    with closing(SqlOutcomeStore(url)) as store:
        seal = store.seal().hex()
        if unsealed := {each.seal for each in told} - {seal}:
            result.lost += len(unsealed)
            result.note("receipts were sealed with a key that is gone")
        corrections = store.corrections()
        for thread in threads():
            name = calibrator(tag, thread)
            there = [each._replace(position=0) for each in store.of_calibrator(name)]
            mine = [each.recorded for each in told if each.thread == thread]
            _check(there, corrections.get(name, 0), mine, (tag, thread), result)


def _check(
    there: Sequence[Kept],
    corrections: int,
    told: Sequence[Recorded],
    writer: tuple[str, int],
    result: Result,
) -> None:
    """Of one thread: all batches that it was told of, and the next one, or nothing of it."""
    whole, next_ = (expected(*writer, len(told) + more) for more in (0, 1))
    for number, recorded in enumerate(told):
        # One that was told again may have been there.
        known = Recorded(0, 0, sum(whole.recorded[number]))
        if recorded not in (whole.recorded[number], known):
            result.wrong += 1
            result.note(f"batch {number} of {writer} was answered {recorded}")
    if (list(there), corrections) in (
        (list(whole.outcomes), whole.corrections),
        (list(next_.outcomes), next_.corrections),
    ):
        return
    latest = set(whole.outcomes) | set(next_.outcomes)
    lost = {each.answered_at for each in whole.outcomes}
    lost -= {each.answered_at for each in there if each in latest}
    twice = len(there) - len({each.answered_at for each in there})
    result.lost += len(lost)
    result.duplicated += twice
    result.wrong += not (lost or twice)
    result.note(
        f"{writer}: {len(lost)} of {len(whole.outcomes)} outcomes are gone or not the newest, "
        f"{twice} there twice, {len(there)} there, corrected {corrections} times"
    )
