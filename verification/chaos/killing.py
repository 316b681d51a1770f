"""Parts of a service under load are killed, as the system kills: without notice."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.postgres import Postgres
from tests.postgres import running as postgres_running

from verification.chaos.back import Wait, Waiting
from verification.chaos.databases import databases
from verification.chaos.load import Served, load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, Service, service

TRIES = 5
# How long a database stays away.
_AWAY_SECONDS = 3.0
_REPLACED_SECONDS = 120.0
_PATIENCE_SECONDS = 120.0
# A fault comes at a random moment within this many seconds of load.
_MOMENT_SECONDS = 1.0


@contextlib.contextmanager
def answering(_: Service) -> Iterator[Wait]:
    """Where callers are answered by none but what has come in the victim's place."""
    yield lambda _: None


@dataclass(frozen=True)
class Victim:
    """What is killed: one of the processes with one of these words in their titles."""

    words: tuple[str, ...]
    engine: dict[str, Any]
    number: int = 1
    """How many of them there are, when all is well."""
    gateways: int = 1
    replicas: int = 1
    patience: float = _PATIENCE_SECONDS
    """Seconds that callers wait for an answer: more than it takes to replace the victim."""
    back: Waiting = answering
    """Waits until there is another that works."""


@dataclass(frozen=True)
class Struck:
    """``since`` is the moment from which recovery counts; ``back`` waits until what was struck is
    there again, where callers do not tell.
    """

    since: float
    back: Callable[[], None] = lambda: None


def drill(name: str, victim: Victim, kind: str, tries: int = TRIES) -> Result:
    """Kills one of the victims, again and again, each time once all goes on."""
    result = Result(name)
    engine = {**victim.engine, "replicas": victim.replicas}
    with (
        databases(kind) as new_url,
        service(new_url(), engine=engine, gateways=victim.gateways) as served,
        victim.back(served) as back,
    ):
        _repeat(result, served, tries, lambda: _kill_one(served, victim, back), victim.patience)
    return result


def database(tries: int = TRIES) -> Result:
    """PostgreSQL's own process is killed, and started again after a while."""
    result = Result("killed-database-postgresql")
    with postgres_running() as server, service(server.database(), engine=FAKE) as served:
        _repeat(result, served, tries, lambda: _kill_database(server))
    return result


def _repeat(
    result: Result,
    served: Served,
    tries: int,
    strike: Callable[[], Struck],
    patience: float = _PATIENCE_SECONDS,
) -> None:
    """Recovery is when callers are answered again and what was struck is back."""
    moments = random.Random(0)
    with load(served, result, patience=patience) as running:
        for _ in range(tries):
            running.stop.wait(moments.uniform(0, _MOMENT_SECONDS))
            struck = strike()
            answered = round(running.recovered(struck.since), 1)
            longest = max(answered, result.seen.get(_ANSWERED, 0))
            result.seen[_ANSWERED] = longest
            struck.back()
            result.recoveries.append(time.monotonic() - struck.since)
            result.tries += 1


_ANSWERED = "callers answered after, s"


def _kill_one(served: Service, victim: Victim, back: Wait) -> Struck:
    """Once all that there were before are there again: else it might be the last one."""
    end = time.monotonic() + _REPLACED_SECONDS
    while len(found := served.processes(*victim.words)) < victim.number:
        if time.monotonic() > end:
            raise TimeoutError(f"there are {len(found)} processes of {victim.words[0]}")
        time.sleep(0.05)  # the one of before is not replaced yet
    killed = random.choice(found)
    killed.kill()
    return Struck(time.monotonic(), lambda: back(killed))


def _kill_database(server: Postgres) -> Struck:
    with server.killed():
        time.sleep(_AWAY_SECONDS)  # the length of the outage, which waits for nothing
    return Struck(time.monotonic())
