"""A gateway at capacity for minutes: neither what it holds grows nor how long its calls take."""

import contextlib
import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trueodds import Client, TrueoddsError
from verification.chaos.alone import Gateway, Held, gateway
from verification.chaos.load import QUESTIONS, Load, load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL

TRIES = 10
"""Minutes."""
_LOOK_SECONDS = 1.0
# The engine takes so long whatever it is asked, and there are as many places as callers, who ask
# again as soon as they are answered: all places are always taken, and nobody is refused.
_ENGINE_SECONDS, _CALLERS = 0.2, 4
_PLACES = _CALLERS + 2  # one who writes, and one who comes and goes
_CALL_SECONDS = 30.0


@dataclass(frozen=True)
class _Look:
    """What the gateway held at a moment of the clock ``time.monotonic``."""

    at: float
    held: Held


# From the middle of the first third to that of the last, of ten minutes, are some 10,000 calls and
# 1,500 connections. So these are a kilobyte and a half a call, or a handle or thread of a hundred
# connections; medians of a third are not moved by what is there for a moment.
_MOST_MEMORY = 16 * 2**20
_MOST_HANDLES, _MOST_THREADS = 8, 4
# Of what a call takes beside the engine. On a machine with other jobs that doubles; what is looked
# for, such as a list that is searched with each call, grows with the calls that there were.
_MOST_SLOWER, _SLACK_SECONDS = 2.0, 0.02


def soak(minutes: int = TRIES) -> Result:
    """The last third of the minutes is held against the first, by medians."""
    result = Result("soak-sqlite")
    engine = {**FAKE, "seconds": _ENGINE_SECONDS}
    with gateway(engine=engine, limits={"max_concurrent_requests": _PLACES}) as target:
        with (
            load(target, result, callers=_CALLERS, call_seconds=_CALL_SECONDS, pause=0) as running,
            _comes_and_goes(target, running),
        ):
            began = time.monotonic()
            looks = list(_looks(target, began + 60 * minutes))
            seconds = time.monotonic() - began
        result.tries = minutes
    first, last = (began, began + seconds / 3), (began + seconds * 2 / 3, began + seconds)
    result.seen["load average of the machine"] = round(os.getloadavg()[0], 1)
    _judge_held(result, _within(looks, first), _within(looks, last))
    _judge_times(running, first, last)
    return result


def _looks(target: Gateway, end: float) -> Iterator[_Look]:
    while (now := time.monotonic()) < end:
        yield _Look(now, target.held())
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def _comes_and_goes(target: Gateway, running: Load) -> Iterator[None]:
    """A caller with a connection for each question."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with Client(target.address, retries=0) as client:
                try:
                    client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS)
                    running.result.count("connections")
                except TrueoddsError as error:
                    running.result.lost += 1
                    running.result.note(f"who comes and goes was told {error!r}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2 * _CALL_SECONDS)


def _within(looks: Sequence[_Look], period: tuple[float, float]) -> Sequence[Held]:
    return [look.held for look in looks if period[0] <= look.at < period[1]]


def _judge_held(result: Result, first: Sequence[Held], last: Sequence[Held]) -> None:
    for what, unit, most in (
        ("memory", 2**20, _MOST_MEMORY),
        ("handles", 1, _MOST_HANDLES),
        ("threads", 1, _MOST_THREADS),
    ):
        before, after = (
            statistics.median(getattr(held, what) for held in part) for part in (first, last)
        )
        name = f"{what}, MiB" if unit > 1 else what
        result.seen[f"{name}, at first"] = round(before / unit, 1)
        result.seen[f"growth of {name}"] = round((after - before) / unit, 1)
        if after - before > most:
            result.wrong += 1
            result.note(f"it holds {(after - before) / unit:.1f} more of {name}")


def _judge_times(running: Load, first: tuple[float, float], last: tuple[float, float]) -> None:
    scores = [each for name, told in running.answered.items() if name != "writer" for each in told]
    before, after = (
        statistics.median(took for at, took in scores if period[0] <= at < period[1])
        - _ENGINE_SECONDS
        for period in (first, last)
    )
    running.result.seen["beside the engine, ms, at first"] = round(1000 * before, 1)
    running.result.seen["and at last"] = round(1000 * after, 1)
    if after > _MOST_SLOWER * before + _SLACK_SECONDS:
        running.result.wrong += 1
        running.result.note(f"a call takes {after:.3f} s beside the engine, at first {before:.3f}")
