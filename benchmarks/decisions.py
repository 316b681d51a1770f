"""Decisions over HTTP: the service's ``/v1/systemone`` beside vLLM's own, on the same bodies.

A Qwen3 with random weights, for vLLM answers for few architectures; states of 600 tokens
that no other request has, with 1, 8 and 64 questions each; one caller, and 32. The two take turns.
With ``--offline`` the same states are also asked of `LLM.generate`, one question each, all at once:
what the engine does of requests that share nothing.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.table import Table

from benchmarks import qwen3, shapes
from benchmarks.machine import called, machine, versions
from benchmarks.ports import free_port
from benchmarks.process import SystemProcess
from benchmarks.profiles import CACHE, memory
from benchmarks.report import console, percentiles, write
from benchmarks.systems.openai import OpenAi
from benchmarks.systems.service import MODEL, config
from benchmarks.systems.vllm import Offline
from benchmarks.workload import Tasks
from trueodds import Client, Format, Question
from trueodds_demo.service import running
from trueodds_service.config import VllmSettings

QUESTIONS = (1, 8, 64)
# Callers, and how many requests of 64 questions each makes a round; how many times as many it makes
# of fewer questions.
CALLERS = {1: 16, 32: 2}
_TIMES = {1: 8, 8: 4}
_TOPICS = ["files", "networks", "numbers"]
_TIMEOUT = aiohttp.ClientTimeout(total=600)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=2, help="measured, after one to warm up")
    add("--callers", type=int, nargs="+", choices=CALLERS, default=list(CALLERS))
    add("--questions", type=int, nargs="+", default=list(QUESTIONS))
    add("--shape", choices=sorted(shapes.SHAPES), help="with dummy weights, on a GPU")
    add("--engine", type=json.loads, default={}, help="engine settings of both, as JSON")
    add("--service", type=json.loads, default={}, help="settings of the service alone, as JSON")
    add("--offline", action="store_true", help="beside each row of one question")
    add("--output", type=Path, default=Path("build/bench/decisions.json"))
    options = parser.parse_args()
    weights, settings = _model(options.shape, options.engine)
    needed = sum(
        _requests(callers, questions)
        for callers in options.callers
        for questions in options.questions
    )
    states = iter(qwen3.texts(weights, needed * (options.rounds + 1)))
    rows: list[dict[str, Any]] = []
    result = {
        "command": called("benchmarks.decisions"),
        "machine": machine(),
        "versions": versions(),
        "model": weights.name,
        "state_tokens": qwen3.TEXT_TOKENS,
        "rounds": options.rounds,
        "decisions": rows,
    }
    with (
        closing(OpenAi(weights, settings)) as vllm,
        _service(weights, settings, options.service) as door,
        _offline(weights, settings, options.offline) as offline,
    ):
        systems = {"vllm": (vllm.url, vllm.model), "service": (door, MODEL)}
        for callers in options.callers:
            for questions in options.questions:
                found: dict[str, list[_Found]] = {name: [] for name in systems}
                bare: list[float] = []
                for number in range(options.rounds + 1):
                    asked = [next(states) for _ in range(_requests(callers, questions))]
                    for name in sorted(systems, reverse=bool(number % 2)):
                        url, model = systems[name]
                        bodies = [_body(model, state, questions) for state in asked]
                        measured = asyncio.run(_measure(f"{url}/v1/systemone", bodies, callers))
                        if number:
                            found[name].append(measured)
                    if offline is not None and questions == 1:
                        rate = offline(asked)
                        if number:
                            bare.append(rate)
                rows.append(_row(callers, questions, found))
                if bare:
                    rows[-1]["offline_questions_per_second"] = round(statistics.median(bare), 1)
                console.print_json(json.dumps(rows[-1]))
                write(result, options.output)
    console.print(_table(rows))


def _requests(callers: int, questions: int) -> int:
    return callers * CALLERS[callers] * _TIMES.get(questions, 1)


def _model(shape: str | None, engine: dict[str, Any]) -> tuple[Path, VllmSettings]:
    settings = {"max_tokens": shapes.CONTEXT, **engine}
    if shape is None:
        return qwen3.model(CACHE / "qwen3"), VllmSettings.model_validate(settings)
    made = shapes.SHAPES[shape]
    weights = qwen3.shaped(made, CACHE / f"qwen3-{shape}")
    one = {"load_format": "dummy", "gpus": 1, "replicas": 1, **memory(made, 1)}
    return weights, VllmSettings.model_validate({**one, **settings})


@dataclass(frozen=True)
class _Found:
    """What a system did in a round: questions a second, seconds and tokens of its requests."""

    rate: float
    latencies: list[float]
    tokens: float


async def _measure(url: str, bodies: Sequence[dict[str, Any]], callers: int) -> _Found:
    """Callers each of which asks again as soon as it is answered."""
    left = iter(bodies)
    latencies: list[float] = []
    tokens = 0
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:

        async def call() -> None:
            nonlocal tokens
            for body in left:
                started = time.perf_counter()
                async with session.post(url, json=body) as response:
                    answer = await response.json()
                    if response.status != 200:
                        raise RuntimeError(f"{url}: {response.status} {str(answer)[:500]}")
                latencies.append(time.perf_counter() - started)
                if len(answer["answers"]) != len(body["questions"]):
                    raise RuntimeError(f"{url}: a question has no answer")
                tokens += answer["usage"]["input_tokens"]

        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        took = time.perf_counter() - began
    asked = sum(len(body["questions"]) for body in bodies)
    return _Found(asked / took, latencies, tokens / len(bodies))


def _row(callers: int, questions: int, found: dict[str, list[_Found]]) -> dict[str, Any]:
    ratios = [
        ours.rate / theirs.rate
        for ours, theirs in zip(found["service"], found["vllm"], strict=True)
    ]
    row: dict[str, Any] = {
        "callers": callers,
        "questions": questions,
        "ratio_to_vllm": round(statistics.median(ratios), 3),
        "lowest_ratio": round(min(ratios), 3),
        "highest_ratio": round(max(ratios), 3),
    }
    for name, rounds in found.items():
        row[name] = {
            "questions_per_second": round(statistics.median(each.rate for each in rounds), 1),
            "request_ms": percentiles([one for each in rounds for one in each.latencies]),
            "prompt_tokens": round(statistics.mean(each.tokens for each in rounds), 1),
        }
    return row


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("callers", "questions", "vLLM, questions/s", "service", "ratio", "p50, ms")
    for row in rows:
        ours, theirs = row["service"], row["vllm"]
        table.add_row(
            str(row["callers"]),
            str(row["questions"]),
            str(theirs["questions_per_second"]),
            str(ours["questions_per_second"]),
            str(row["ratio_to_vllm"]),
            f"{theirs['request_ms']['p50']} to {ours['request_ms']['p50']}",
        )
    return table


@contextmanager
def _offline(
    weights: Path, settings: VllmSettings, wanted: bool
) -> Iterator[Callable[[Sequence[str]], float] | None]:
    """What tells how many questions a second `LLM.generate` does, of one to each state."""
    if not wanted:
        yield None
        return
    tasks = Tasks(weights, Format.LETTER, shapes.CONTEXT)
    with ExitStack() as stack:
        system = SystemProcess(Offline, weights, settings)
        stack.callback(system.stop)
        system.wait()

        def rate(states: Sequence[str]) -> float:
            asked = [Question("What is it about?", _TOPICS, passage=state) for state in states]
            task = tasks.of("decisions", [], asked, len(asked))
            return len(asked) / system.seconds([task])

        yield rate


def _body(model: str, state: str, questions: int) -> dict[str, Any]:
    kinds = (
        {
            "type": "choice",
            "instructions": "What is it about?",
            "criteria": {**dict.fromkeys(_TOPICS), "numbers": "also statistics"},
        },
        {"type": "noul", "instructions": "Does it tell how to install something?"},
        {
            "type": "score",
            "instructions": "How much does a reader have to know before?",
            "criteria": ["nothing", "a little", "much"],
        },
    )
    asked = {}
    for number in range(questions):
        kind = kinds[number % len(kinds)]
        asked[f"q{number}"] = {**kind, "instructions": f"{kind['instructions']} Part {number}."}
    return {"model": model, "state": state, "questions": asked}


@contextmanager
def _service(weights: Path, settings: VllmSettings, own: dict[str, Any]) -> Iterator[str]:
    """`trueodds serve` with one model and its HTTP door; the value is the URL."""
    door = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder), weights, settings, {"http": door, **own})
        with running(path) as address:
            with Client(address) as client:
                client.wait_until_ready()
            yield f"http://{door}"


if __name__ == "__main__":
    main()
