"""Rounds of decisions over HTTP, and what they found."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import httpx
from hypothesis import strategies as st

from verification.fuzz.bodies import (
    CALIBRATORS,
    DECISIONS,
    SYSTEMONE,
    bodies,
    spoil,
    written,
)
from verification.fuzz.body_checks import broken_promises
from verification.fuzz.calls import PATIENCE
from verification.fuzz.known import Known
from verification.fuzz.rounds import MOST_TEXT, ROUND, Report, play_round

_WEIGHTED = [DECISIONS] * 3 + [SYSTEMONE] * 2 + [CALIBRATORS]


def fuzz_decisions(url: str, address: str, requests: int, first_seed: int = 0) -> Report:
    """Makes at least ``requests`` requests; the same seed makes the same. The service's gRPC is at
    ``address``.
    """
    report = Report()
    started = time.monotonic()
    with grpc.insecure_channel(address) as channel:
        known = Known.of(channel)
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        known = replace(known, models=_deciding(client, known.models))
        for number, first in enumerate(range(0, requests, ROUND)):
            play_round(
                report,
                _posts(known),
                partial(_broken, client, report),
                _as_text,
                examples=min(ROUND, requests - first),
                round_seed=first_seed + number,
            )
    report.seconds = time.monotonic() - started
    return report


def _deciding(client: httpx.Client, models: tuple[str, ...]) -> tuple[str, ...]:
    """The models whose chat template can ask a decision, and one of the others."""
    question = {"type": "predicate", "instructions": "Is it well?"}
    found: dict[bool, list[str]] = {True: [], False: []}
    for model in models:
        body = {"model": model, "input": "The service.", "questions": [question]}
        found[client.post(DECISIONS, json=body).is_success].append(model)
    return (*found[True], *found[False][:1])


def _broken(
    client: httpx.Client, report: Report, post: tuple[str, bytes]
) -> Iterator[tuple[str, tuple[str, bytes]]]:
    path, sent = post
    found = client.post(path, content=sent, headers={"content-type": "application/json"})
    report.endings[path, str(found.status_code)] += 1
    for what in broken_promises(path, sent, found.status_code, found.content):
        yield f"{path}: {what}", post


def _as_text(post: tuple[str, bytes]) -> str:
    path, sent = post
    return f"POST {path}\n{sent[:MOST_TEXT]!r}"


@st.composite
def _posts(draw: st.DrawFn, known: Known) -> tuple[str, bytes]:
    path = draw(st.sampled_from(_WEIGHTED))
    body: Any = draw(bodies(path, known))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        spoil(draw, body)
    return path, written(draw, body)
