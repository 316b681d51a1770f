"""Parts of a service under load stand still for a while (SIGSTOP), and then go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
from tests.postgres import running as postgres_running

from trueodds import Client, TrueoddsError
from verification.chaos.alone import Gateway, gateway
from verification.chaos.databases import databases
from verification.chaos.load import QUESTIONS, TASK, Load, load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL, service

TRIES = 3
PAUSE_SECONDS = 20.0
# How long each message has: callers give up long before the pause ends. A batch that was not
# answered goes again in halves, four times at most for eight questions.
_CALL_SECONDS = 5.0
_MESSAGES = 4
_LOOK_SECONDS = 0.2

Paused = Callable[[], AbstractContextManager[None]]
Noticed = Callable[[int], bool]
"""Whether it is seen, with the number of calls that had been late before."""


def database(tries: int = TRIES) -> Result:
    """PostgreSQL stands still: scoring goes on, and its answers say that they may be stale."""
    result = Result("paused-database-postgresql")
    with (
        postgres_running() as server,
        gateway(server.database()) as target,
        load(target, result, call_seconds=_CALL_SECONDS) as running,
        Client(target.address) as client,
    ):
        _repeat(running, tries, server.paused, lambda _: _is_stale(client))
    return result


def a_gateway(tries: int = TRIES) -> Result:
    """The gateway stands still: callers learn of it by their deadlines."""
    result = Result("paused-gateway-sqlite")
    with gateway() as target, load(target, result, call_seconds=_CALL_SECONDS) as running:
        _repeat(running, tries, lambda: _stopped(target), lambda before: _late(running) > before)
    return result


def engine(tries: int = TRIES) -> Result:
    """An engine stands still, with another one beside it. Of the callers' many beginnings each
    has its share, so that they meet it.
    """
    result = Result("paused-engine-sqlite")
    with (
        databases("sqlite") as new_url,
        service(new_url(), engine={**FAKE, "replicas": 2}) as served,
        load(served, result, call_seconds=_CALL_SECONDS) as running,
    ):

        @contextmanager
        def paused() -> Iterator[None]:
            while not (found := served.processes(f"engine-{MODEL}")):
                time.sleep(_LOOK_SECONDS)
            asked = min(found, key=psutil.Process.create_time)  # one that has just come is not yet
            asked.suspend()
            try:
                yield
            finally:
                asked.resume()

        _repeat(running, tries, paused, lambda before: _late(running) > before)
    return result


def _repeat(running: Load, tries: int, paused: Paused, noticed: Noticed) -> None:
    """A pause that nobody notices is as wrong as one that nobody gets over: either something
    stood still and its callers were told nothing, or the drill has stopped nothing.
    """
    result = running.result
    for _ in range(tries):
        late = _late(running)
        with paused():
            began = time.monotonic()
            seen = None
            while time.monotonic() < began + PAUSE_SECONDS:
                if seen is None and noticed(late):
                    seen = time.monotonic() - began
                time.sleep(_LOOK_SECONDS)
        result.recoveries.append(running.recovered(time.monotonic()))
        result.tries += 1
        if seen is None and noticed(late):  # a call of the pause that has ended since
            seen = time.monotonic() - began
        if seen is None:
            result.wrong += 1
            result.note("nobody noticed")
        else:
            result.seen["noticed after, s"] = round(
                max(seen, result.seen.get("noticed after, s", 0)), 1
            )
    result.seen["longest call, s"] = round(running.longest, 1)
    bound = _MESSAGES * _CALL_SECONDS + _BEYOND_SECONDS
    if running.longest > bound:
        result.wrong += 1
        result.note(f"a call that is bounded by {bound:.0f} s took {running.longest:.1f} s")


# What a busy machine may add to a deadline.
_BEYOND_SECONDS = 5.0


def _is_stale(client: Client) -> bool:
    try:
        return client.score(
            QUESTIONS[0], model=MODEL, task=TASK, timeout=_CALL_SECONDS
        ).calibration_stale
    except TrueoddsError:
        return False


@contextmanager
def _stopped(target: Gateway) -> Iterator[None]:
    target.process.suspend()
    try:
        yield
    finally:
        target.process.resume()


def _late(running: Load) -> int:
    """Calls that failed, or were sent again by the client once a message had come to its end."""
    failed = sum(
        count for what, count in list(running.result.seen.items()) if what.startswith("told ")
    )
    answered = [took for calls in list(running.answered.values()) for _, took in list(calls)]
    return int(failed) + sum(took >= running.call_seconds for took in answered)
