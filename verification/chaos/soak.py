"""A gateway at capacity for minutes: neither what it holds grows nor what its calls take."""

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trueodds import Client, TrueoddsError
from verification.chaos.alone import Gateway, Held, gateway
from verification.chaos.beside import beside
from verification.chaos.load import QUESTIONS, Load, load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL

TRIES = 10
"""Minutes."""
_LOOK_SECONDS = 1.0
# How long the engine takes whatever it is asked. There are as many places as callers, who ask again
# as soon as they are answered: all places are always taken, and nobody is refused.
_ENGINE_SECONDS, _CALLERS = 0.2, 4
_PLACES = _CALLERS + 2  # one who writes, and one who comes and goes
_CALL_SECONDS = 30.0

# From the middle of the first third to that of the last, of ten minutes, are some 8,000 calls and
# 1,500 connections. So these are two kilobytes a call, or a handle or thread of some hundred
# connections; medians of a third are not moved by what is there for a moment.
_MOST_MEMORY = 16 * 2**20
_MOST_HANDLES, _MOST_THREADS = 8, 4
# What is looked for, such as a list that is searched with each call, grows with the calls that
# there were. What a call computes hardly depends on what else the machine does; how long it takes
# beside the engine doubles easily: the loads of the machine are told with it.
_MOST_COMPUTED = 1.25
_MOST_SLOWER, _SLACK_SECONDS = 2.0, 0.02


@dataclass(frozen=True)
class _Look:
    """At a moment of the clock ``time.monotonic``."""

    at: float
    held: Held
    load: float
    """The machine's load, in its last minute."""


@dataclass(frozen=True)
class _Third:
    """A third of the time: what was seen, and the seconds of the calls that were answered."""

    looks: Sequence[_Look]
    calls: Sequence[float]

    @property
    def beside_engine(self) -> float:
        return statistics.median(self.calls) - _ENGINE_SECONDS

    @property
    def computed(self) -> float:
        """Seconds of a processor that the gateway took for each call."""
        return (self.looks[-1].held.computed - self.looks[0].held.computed) / len(self.calls)

    @property
    def load(self) -> float:
        return statistics.median(look.load for look in self.looks)

    def held(self, what: str) -> float:
        return float(statistics.median(getattr(look.held, what) for look in self.looks))


def soak(minutes: int = TRIES) -> Result:
    """The last third of the minutes is held against the first, by medians."""
    result = Result("soak-sqlite")
    engine = {**FAKE, "seconds": _ENGINE_SECONDS}
    with (
        gateway(engine=engine, limits={"max_concurrent_requests": _PLACES}) as target,
        load(target, result, callers=_CALLERS, call_seconds=_CALL_SECONDS, pause=0) as running,
        _comes_and_goes(target, result),
    ):
        began = time.monotonic()
        looks = list(_looks(target, began + 60 * minutes))
        third = (time.monotonic() - began) / 3
    result.tries = minutes
    _judge(
        result,
        _third(running, looks, began, began + third),
        _third(running, looks, began + 2 * third, began + 3 * third),
    )
    return result


def _looks(target: Gateway, end: float) -> Iterator[_Look]:
    while (now := time.monotonic()) < end:
        yield _Look(now, target.held(), os.getloadavg()[0])
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def _comes_and_goes(target: Gateway, result: Result) -> Iterator[None]:
    """A caller with a connection for each question."""

    def ask() -> None:
        with Client(target.address, retries=0) as client:
            try:
                client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS)
                result.count("connections")
            except TrueoddsError as error:
                result.lost += 1
                result.note(f"who comes and goes was told {error!r}")

    with beside(ask, pause=0, most_seconds=_CALL_SECONDS):
        yield


def _third(running: Load, looks: Sequence[_Look], since: float, until: float) -> _Third:
    scores = [each for name, told in running.answered.items() if name != "writer" for each in told]
    return _Third(
        [look for look in looks if since <= look.at < until],
        [took for at, took in scores if since <= at < until],
    )


def _judge(result: Result, first: _Third, last: _Third) -> None:
    mebi, kilo = 2.0**20, 1000
    memory = first.held("memory") / mebi, last.held("memory") / mebi
    handles, threads = ((first.held(what), last.held(what)) for what in ("handles", "threads"))
    computed = kilo * first.computed, kilo * last.computed
    took = kilo * first.beside_engine, kilo * last.beside_engine
    for what, (before, after), most in (
        ("MiB", memory, memory[0] + _MOST_MEMORY / mebi),
        ("handles", handles, handles[0] + _MOST_HANDLES),
        ("threads", threads, threads[0] + _MOST_THREADS),
        ("ms computed for a call", computed, _MOST_COMPUTED * computed[0]),
        ("ms beside the engine", took, _MOST_SLOWER * took[0] + kilo * _SLACK_SECONDS),
        ("load of the machine", (first.load, last.load), float("inf")),
    ):
        result.seen[f"{what}, first third"] = round(before, 1)
        result.seen[f"{what}, last third"] = round(after, 1)
        if after > most:
            result.wrong += 1
            result.note(f"{what}: {after:.1f} in the last third, where {most:.1f} are allowed")
