"""Rounds of requests, what they found, and whether the service is as it was before."""

import time
from collections.abc import Iterator
from functools import partial

import grpc
from google.protobuf import text_format
from hypothesis import strategies as st

from trueodds.v1 import scoring_pb2
from verification.fuzz.calls import METHODS, PATIENCE, Call, Ending, send
from verification.fuzz.checks import broken_promises
from verification.fuzz.known import Known, numbers
from verification.fuzz.mutations import spoil, spoil_bytes
from verification.fuzz.rounds import ITEM, MOST_TEXT, ROUND, Report, play_round
from verification.fuzz.wellformed import requests

# Those that lead deep into the service come more often.
_WEIGHTED = [METHODS[name] for name in ["Score", "BatchScore", "FitCalibrator"] * 5 + [*METHODS]]


def fuzz(address: str, requests: int, seed: int = 0, *, tolerance: float = 1e-4) -> Report:
    """Makes at least ``requests`` requests, in rounds; the same seed makes the same requests.

    After each round the answers to a plain question have to be what they were before, within
    ``tolerance``.
    """
    report = Report()
    started = time.monotonic()
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(address, options) as channel:
        known = Known.of(channel)
        before = numbers(channel, known.models)
        for first in range(0, requests, ROUND):
            play_round(
                report,
                _calls(known),
                partial(_broken, channel, report),
                _as_text,
                examples=min(ROUND, requests - first),
                round_seed=seed,
            )
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


def _broken(channel: grpc.Channel, report: Report, calls: list[Call]) -> Iterator[tuple[str, Call]]:
    for call, ending in zip(calls, send(channel, calls), strict=True):
        _count(report, call, ending)
        for what in broken_promises(call, ending):
            yield f"{call.method.name}: {what}", call


def _count(report: Report, call: Call, ending: Ending) -> None:
    report.endings[call.method.name, ending.code.name] += 1
    for response in ending.responses:
        if isinstance(response, scoring_pb2.BatchScoreResponse):
            for outcome in response.outcomes:
                kind = "OK" if outcome.HasField("answer") else "error"
                report.endings[ITEM, kind] += 1


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
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]} … ({len(text)} characters)"
    return f"{call.method.path}, deadline {call.deadline:g} s\n{text}"
