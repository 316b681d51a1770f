"""A gateway under attack, and an honest caller beside it."""

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from trueodds import Client, TrueoddsError
from verification.chaos.alone import Gateway, gateway
from verification.chaos.beside import beside
from verification.chaos.load import QUESTIONS
from verification.chaos.record import Result
from verification.chaos.service import MODEL

# Within which an honest caller has to be answered beside an attack; alone it takes milliseconds.
_CALL_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
# What it asks over HTTP.
_PATH = "/trueodds.v1.ScoringService/Score"
_BODY = json.dumps(
    {
        "settings": {"model": f"models/{MODEL}"},
        "question": {
            "text": QUESTIONS[0].text,
            "options": [{"text": text} for text in QUESTIONS[0].options],
        },
    }
)
_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 90.0
# How much it may grow between one half of an attack and the other; not with the attack's length.
_MOST_MEMORY = 48 * 2**20
_MOST_HANDLES, _MOST_THREADS = 8, 8


class Broken(Exception):
    """The service answered an attack with what it promises never to."""


Attack = Callable[[Gateway, int], None]


def besieged(name: str, attack: Attack, tries: int) -> Result:
    """``attack`` is made of ``tries`` tries, in halves: the first half warms up. What the gateway
    holds after the second is compared with what it held after the first.
    """
    result = Result(name)
    with gateway() as target, _honest_caller(target, result):
        _attacked(attack, target, tries // 2, result)
        _settled(target)
        before = target.held()
        _attacked(attack, target, tries - tries // 2, result)
        ended = time.monotonic()
        with Client(target.address) as client, contextlib.suppress(TrueoddsError):
            client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS)
            result.recoveries.append(time.monotonic() - ended)
        _settled(target)
        if not target.runs:
            result.lost += 1
            result.note("the gateway has ended")
            return result
        after = target.held()
        result.tries = tries
        for what, grown, most in (
            ("memory, MiB", (after.memory - before.memory) / 2**20, _MOST_MEMORY / 2**20),
            ("handles", after.handles - before.handles, _MOST_HANDLES),
            ("threads", after.threads - before.threads, _MOST_THREADS),
        ):
            result.seen[f"growth of {what}"] = round(grown, 1)
            if grown > most:
                result.wrong += 1
                result.note(f"it holds {grown:.0f} more of {what}")
    return result


def _attacked(attack: Attack, target: Gateway, tries: int, result: Result) -> None:
    try:
        attack(target, tries)
    except Broken as error:
        result.wrong += 1
        result.note(str(error))


def _settled(target: Gateway) -> None:
    """Waits until it closes no more connections; not for ever."""
    end, seen = time.monotonic() + _SETTLE_SECONDS, -1
    while target.runs and time.monotonic() < end and target.held().handles != seen:
        seen = target.held().handles
        time.sleep(_LOOK_SECONDS)


def _over_http(target: Gateway) -> Any:
    connection = http.client.HTTPConnection(target.http_address, timeout=_CALL_SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", _PATH, _BODY, {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())["answer"]["options"]


@contextlib.contextmanager
def _honest_caller(target: Gateway, result: Result) -> Iterator[None]:
    """Asks at both doors all the time; each question has its one answer, within the deadline."""
    slowest = 0.0

    def check(ask: Callable[[], Any], right: Any) -> None:
        nonlocal slowest
        began = time.monotonic()
        try:
            told = ask()
        except Exception as error:
            result.lost += 1
            result.note(f"an honest caller was told {error!r}")
        else:
            result.count("honest answers")
            if told != right:
                result.wrong += 1
                result.note("an honest caller had another answer")
        took = time.monotonic() - began
        if took > _CALL_SECONDS:
            result.lost += 1
            result.note(f"an honest caller waited {took:.1f} s")
        slowest = max(slowest, took)

    with Client(target.address, retries=0) as client:

        def over_grpc() -> Any:
            return client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS).options

        ways = [(way, way()) for way in (over_grpc, partial(_over_http, target))]

        def ask() -> None:
            for way, right in ways:
                check(way, right)

        with beside(ask, pause=_PAUSE_SECONDS, most_seconds=len(ways) * _CALL_SECONDS):
            yield
    result.seen["slowest honest answer, s"] = round(slowest, 3)
