"""A lone question beside the bare AsyncLLM, one after another, and the parts of the service's time.

In turn on the same questions: AsyncLLM from token ids; the service's engine around it, without
Ray, link and gRPC; the service over gRPC, from text.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks import profiles, shapes
from benchmarks.engines import Bare
from benchmarks.machine import called, machine, versions
from benchmarks.process import Scores, Start, SystemProcess
from benchmarks.report import console, percentiles, write
from benchmarks.systems.service import MODEL, config
from benchmarks.systems.vllm import Async
from benchmarks.workload import Task
from trueodds import Client, Format
from trueodds._convert import scoring as _messages
from trueodds._convert.questions import question_message
from trueodds.v1 import scoring_pb2, scoring_pb2_grpc
from trueodds_demo.service import running
from trueodds_service.config import VllmSettings

_DIGITS = 2


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lone_question", description=__doc__)
    add = parser.add_argument
    add("--profile", choices=("cpu", "h200"), default="cpu", help="which model and questions")
    add("--shape", choices=sorted(shapes.SHAPES), default="8b", help="of h200's model")
    add("--rounds", type=int, default=4, help="measured, after one to warm up")
    add("--engine", type=json.loads, default={"replicas": 1}, help="engine settings, as JSON")
    add("--output", type=Path, default=Path("build/bench/lone-question.json"))
    options = parser.parse_args()
    sizes = profiles.Sizes(options.rounds, tasks=57, questions=1, alone=4)
    if options.profile == "cpu":
        prepared = profiles.cpu(sizes, Format.LETTER, options.engine, 1)
    else:
        prepared = profiles.gpu(sizes, Format.LETTER, options.engine, 1, options.shape)
    [rounds] = prepared.work
    result: dict[str, Any] = {
        "command": called("benchmarks.lone_question"),
        "machine": machine(),
        "versions": versions(),
        "model": prepared.about["model"],
    }
    for found in _measured(prepared, [each.alone for each in rounds]):
        result |= found
        write(result, options.output)  # a run that is cut off keeps its rounds
    console.print_json(json.dumps(result))


def _measured(
    prepared: profiles.Prepared, rounds: Sequence[list[Task]]
) -> Iterator[dict[str, Any]]:
    """Percentiles in milliseconds, of all rounds so far, after each but the first; a round begins
    with another system than the one before.
    """
    starts: dict[str, Start] = {"AsyncLLM": Async, "engine": Bare, "service": _Service}
    took: dict[str, list[float]] = {name: [] for name in starts}
    parts: list[Any] = []
    with ExitStack() as stack:
        systems = {
            name: SystemProcess(start, prepared.weights, prepared.settings)
            for name, start in starts.items()
        }
        for system in systems.values():
            stack.callback(system.stop)
        for system in systems.values():
            system.wait()
        for number, tasks in enumerate(rounds):
            turn = number % len(systems)
            for name in [*systems][turn:] + [*systems][:turn]:
                scores = systems[name].measure("one_at_a_time", tasks).scores
                if number:
                    took[name] += scores.latencies
                    parts += scores.logprobs if name == "service" else []
            if number:
                yield _percentiles(took, parts)


def _percentiles(took: dict[str, list[float]], parts: list[Any]) -> dict[str, Any]:
    found = {f"{name}_ms": percentiles(each, _DIGITS) for name, each in took.items()}
    tokenizing, asking, whole = np.array(parts).T
    of_service = {
        "tokenizing": tokenizing,
        "the engine and the way to it": asking,
        "the rest of the gateway": whole - tokenizing - asking,
        "gRPC and the client": np.array(took["service"]) - whole,
    }
    told = {name: percentiles(list(each), _DIGITS) for name, each in of_service.items()}
    return {"questions": len(parts), **found, "of the service's, ms": told}


class _Service:
    """`trueodds serve`, called past our client: ``logprobs`` hold what it tells of its time."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        address = self._stack.enter_context(running(config(folder, weights, settings)))
        self._stack.enter_context(Client(address)).wait_until_ready()
        channel = self._stack.enter_context(grpc.insecure_channel(address))
        self._score = scoring_pb2_grpc.ScoringServiceStub(channel).Score

    async def one_at_a_time(self, tasks: Sequence[Task]) -> Scores:
        parts, latencies = [], []
        for task in tasks:
            settings = _messages.settings_message(MODEL, reading=task.format, shots=task.shots)
            for question in task.questions:
                request = scoring_pb2.ScoreRequest(
                    settings=settings, question=question_message(question)
                )
                started = time.perf_counter()
                told = self._score(request).timings
                latencies.append(time.perf_counter() - started)
                parts.append(
                    np.array([told.tokenize_seconds, told.engine_seconds, told.total_seconds])
                )
        return Scores(parts, latencies)

    def close(self) -> None:
        self._stack.close()


if __name__ == "__main__":
    main()
