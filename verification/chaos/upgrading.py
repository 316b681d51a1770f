"""A service under load takes over another configuration."""

import time

import psutil

from verification.chaos.databases import databases
from verification.chaos.load import load
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL, Service, service

TRIES = 5
_REPLICAS, _GATEWAYS = 2, 2
_LOOK_SECONDS = 0.2
_UPDATED_SECONDS = 300.0
_TITLES = {f"engine-{MODEL}": _REPLICAS, "trueodds:gateway": _GATEWAYS}


def upgrade(tries: int = TRIES) -> Result:
    """Gateways and engines are replaced one after the other, and no call fails."""
    result = Result("upgrade-sqlite")
    engine = {**FAKE, "replicas": _REPLICAS}
    with (
        databases("sqlite") as new_url,
        service(new_url(), engine=engine, gateways=_GATEWAYS) as served,
        load(served, result) as running,
    ):
        for number in range(tries):
            before = _processes(served)
            began = time.monotonic()
            # It changes no answer, and yet it is another engine.
            served.update({**engine, "hang_seconds": 30 + number})
            _wait_until_replaced(served, before)
            running.recovered(time.monotonic())
            result.recoveries.append(time.monotonic() - began)
            result.tries += 1
    if failed := sum(count for what, count in result.seen.items() if what.startswith("told ")):
        result.wrong += 1
        result.note(f"{failed:.0f} calls failed")
    return result


def _processes(served: Service) -> set[psutil.Process]:
    return set(served.processes(*_TITLES))


def _wait_until_replaced(served: Service, before: set[psutil.Process]) -> None:
    """Raises TimeoutError where some of before are still there, or too few others."""
    end = time.monotonic() + _UPDATED_SECONDS
    while _processes(served) & before or any(
        len(served.processes(title)) != number for title, number in _TITLES.items()
    ):
        if time.monotonic() > end:
            raise TimeoutError("not all processes are replaced")
        time.sleep(_LOOK_SECONDS)
