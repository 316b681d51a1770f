"""Where the time of a single question goes, without the engine's: one after another, over the fake
engine, beside a health check, which is what a call over gRPC takes that does nothing; and what the
same call takes over HTTP, in turn with it.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.fake_service import MODEL, fake_service
from benchmarks.machine import called, machine, versions
from benchmarks.ports import free_port
from benchmarks.report import console, percentiles, write
from trueodds import Format
from trueodds._convert import scoring as _messages
from trueodds._convert.questions import question_message
from trueodds.v1 import scoring_pb2, scoring_pb2_grpc
from trueodds_demo.questions import scored_questions, shots
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine

_TASK = "knowledge"
_PATH = "/trueodds.v1.ScoringService/Score"
_WARM_UP = 100
# Digits of milliseconds: what is told apart here is tenths of them.
_DIGITS = 3


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.single_question", description=__doc__
    )
    parser.add_argument("--calls", type=int, default=500, help="of each kind, after 100 more")
    parser.add_argument("--output", type=Path, default=Path("build/bench/single_question.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": called("benchmarks.single_question"),
        "machine": machine(),
        "versions": versions(),
    }
    door = f"127.0.0.1:{free_port()}"
    with fake_service(door) as address, grpc.insecure_channel(address) as channel:
        result["health_check_ms"] = _health_checks(channel, options.calls)
        result["fake_engine_ms"] = _fake_engine(options.calls)
        for name, examples in (("alone", []), ("after five shots", shots(_TASK))):
            settings = _messages.settings_message(MODEL, reading=Format.LETTER, shots=examples)
            result[name] = _questions(channel, door, settings, options.calls)
    console.print_json(json.dumps(result))
    write(result, options.output)


def _health_checks(channel: grpc.Channel, calls: int) -> dict[str, float]:
    health: Any = health_pb2_grpc.HealthStub(channel)
    took = []
    for _ in range(_WARM_UP + calls):
        started = time.perf_counter()
        health.Check(health_pb2.HealthCheckRequest())
        took.append(time.perf_counter() - started)
    return percentiles(took[_WARM_UP:], _DIGITS)


def _questions(
    channel: grpc.Channel, door: str, settings: scoring_pb2.ScoreSettings, calls: int
) -> dict[str, Any]:
    """Milliseconds: of all, of what the service does, and of two parts of that; all over HTTP."""
    score = scoring_pb2_grpc.ScoringServiceStub(channel).Score
    http = HTTPConnection(door)
    took: dict[str, list[float]] = {"call": [], "http_call": []}
    timings = []
    for number, question in enumerate(scored_questions(_TASK, _WARM_UP + calls)):
        request = scoring_pb2.ScoreRequest(settings=settings, question=question_message(question))
        doors: dict[str, Callable[[], Any]] = {
            "call": partial(score, request),
            "http_call": partial(_over_http, http, MessageToJson(request)),
        }
        answers = {}
        # The one that asks second finds the caches warm: each does every other time.
        for name in sorted(doors, reverse=bool(number % 2)):
            started = time.perf_counter()
            answers[name] = doors[name]()
            took[name].append(time.perf_counter() - started)
        timings.append(answers["call"].timings)
        if answers["http_call"]["answer"]["choice"] != answers["call"].answer.choice:
            raise RuntimeError("the two doors answer differently")
    timings = timings[_WARM_UP:]
    parts = ("total_seconds", "tokenize_seconds", "engine_seconds")
    return {
        **{f"{name}_ms": percentiles(each[_WARM_UP:], _DIGITS) for name, each in took.items()},
        **{
            f"service_{part.removesuffix('_seconds')}_ms": percentiles(
                [getattr(each, part) for each in timings], _DIGITS
            )
            for part in parts
        },
    }


def _over_http(http: HTTPConnection, body: str) -> Any:
    http.request("POST", _PATH, body, {"content-type": "application/json"})
    response = http.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(f"{_PATH}: {response.status} {answer}")
    return answer


def _fake_engine(calls: int) -> dict[str, float]:
    """What the fake engine itself takes for a prompt of 200 tokens."""
    engine = FakeEngine(seed=0, sharpness=1.0, max_tokens=2048)

    async def once(number: int) -> float:
        prompt = TokenPrompt((number,) * 200, ((1,), (2,), (3,), (4,)))
        started = time.perf_counter()
        await engine.score([prompt])
        return time.perf_counter() - started

    return percentiles([asyncio.run(once(number)) for number in range(calls)], _DIGITS)


if __name__ == "__main__":
    main()
