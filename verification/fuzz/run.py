"""Rounds of requests, what they found, and whether the service is as it was before."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import grpc
from google.protobuf import text_format
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from trueodds.v1 import scoring_pb2
from verification.fuzz.calls import METHODS, PATIENCE, Call, Ending, send
from verification.fuzz.checks import broken_promises
from verification.fuzz.known import Known, numbers
from verification.fuzz.mutations import spoil, spoil_bytes
from verification.fuzz.wellformed import requests

_ROUND = 250
_ITEM = "an item of a batch"
_MOST_TEXT = 3000

# Those that lead deep into the service come more often.
_WEIGHTED = [METHODS[name] for name in ["Score", "BatchScore", "FitCalibrator"] * 5 + [*METHODS]]

HYPOTHESIS = settings(
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    print_blob=False,
    report_multiple_bugs=True,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


@dataclass
class Report:
    """What was asked and how it ended, as (method, code); of a batch also its items.

    ``broken`` holds each broken promise once, with the smallest request that breaks it, and
    ``times`` how often each was. ``drift`` is how far a number of a plain question's answer went.
    """

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    drift: float = 0.0
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        return self.endings.total() - sum(self.endings[_ITEM, kind] for kind in ("OK", "error"))

    def __str__(self) -> str:
        lines = [f"{self.requests} requests in {self.seconds:.0f} s"]
        lines += [
            f"  {method:26} {code:20} {count:7}"
            for (method, code), count in sorted(self.endings.items())
        ]
        for promise, request in self.broken.items():
            lines += ["", f"BROKEN, {self.times[promise]} times: {promise}", request]
        return "\n".join(lines)


def fuzz(address: str, requests: int, seed: int = 0, *, tolerance: float = 1e-4) -> Report:
    """Makes at least so many requests, in rounds; the same seed makes the same requests.

    After each round the answers to a plain question have to be what they were before, within
    ``tolerance``.
    """
    report = Report()
    started = time.monotonic()
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(address, options) as channel:
        known = Known.of(channel)
        before = numbers(channel, known.models)
        for first in range(0, requests, _ROUND):
            _round(channel, known, report, min(_ROUND, requests - first), seed)
            if wrong := _changed(channel, known, before, tolerance, report):
                report.times[wrong] += 1
                report.broken.setdefault(wrong, f"after the round of seed {seed}")
            seed += 1
            known = known.stored_again(channel)
    report.seconds = time.monotonic() - started
    return report


def _changed(
    channel: grpc.Channel, known: Known, before: list[float], tolerance: float, report: Report
) -> str | None:
    try:
        after = numbers(channel, known.models)
    except grpc.RpcError as error:
        return f"a plain question fails: {error.code().name}"
    report.drift = max(report.drift, *(abs(a - b) for a, b in zip(before, after, strict=True)))
    return None if report.drift <= tolerance else "a plain question has another answer"


class Broken(Exception):
    """A promise that a call broke."""

    def __init__(self, promise: str, call: Any) -> None:
        super().__init__(promise)
        self.promise = promise
        self.call = call


@cache
def kind_of(promise: str) -> type[Broken]:
    """Hypothesis tells faults apart by their class, and shrinks each by itself."""
    del promise
    return type("Broken", (Broken,), {})


def _round(
    channel: grpc.Channel, known: Known, report: Report, examples: int, round_seed: int
) -> None:
    already = set(report.broken)

    @seed(round_seed)
    @settings(HYPOTHESIS, max_examples=examples)
    @given(_calls(known))
    def promises_hold(calls: list[Call]) -> None:
        for call, ending in zip(calls, send(channel, calls), strict=True):
            _count(report, call, ending)
            for what in broken_promises(call, ending):
                promise = f"{call.method.name}: {what}"
                report.times[promise] += 1
                if promise not in already:
                    raise kind_of(promise)(promise, call)

    for error in errors_of(promises_hold):
        if isinstance(error, Broken):
            report.broken.setdefault(error.promise, _as_text(error.call))


def errors_of(check: Callable[[], None]) -> Iterator[BaseException]:
    """Every error of a run, out of the groups that it comes in. Raises what is none of ours."""
    try:
        check()
    except* (Broken, Flaky) as group:
        yield from _leaves(group)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _count(report: Report, call: Call, ending: Ending) -> None:
    report.endings[call.method.name, ending.code.name] += 1
    for response in ending.responses:
        if isinstance(response, scoring_pb2.BatchScoreResponse):
            for outcome in response.outcomes:
                kind = "OK" if outcome.HasField("answer") else "error"
                report.endings[_ITEM, kind] += 1


@st.composite
def _calls(draw: st.DrawFn, known: Known) -> list[Call]:
    """One call, or seldom several at once."""
    count = draw(st.sampled_from([1] * 29 + [8]))
    return [draw(_call(known)) for _ in range(count)]


@st.composite
def _call(draw: st.DrawFn, known: Known) -> Call:
    method = draw(st.sampled_from(_WEIGHTED))
    message = draw(requests(method.name, known))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        spoil(draw, message, known)
    content = message.SerializeToString()
    if draw(st.sampled_from([False] * 4 + [True])):
        content = spoil_bytes(draw, content)
    match draw(st.sampled_from(["patient"] * 18 + ["deadline", "cancel"])):
        case "deadline":
            return Call(method, content, deadline=draw(_MOMENTS))
        case "cancel":
            return Call(method, content, cancel_after=draw(_MOMENTS))
    return Call(method, content, PATIENCE)


_MOMENTS = st.sampled_from([0.0, 0.001, 0.002, 0.005])


def _as_text(call: Call) -> str:
    message = call.message()
    text = call.content.hex(" ") if message is None else text_format.MessageToString(message)
    if len(text) > _MOST_TEXT:
        text = f"{text[:_MOST_TEXT]} … ({len(text)} characters)"
    return f"{call.method.path}, deadline {call.deadline:g} s\n{text}"
