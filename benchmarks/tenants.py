"""One tenant's lone questions: by themselves, and beside another's, who asks for ten times what the
engine can answer, one question a call or in bulk.

Each has a key of its own. Questions have 600 tokens, of which no other has any, but for a row in
which one of ten was asked before. The first lone question of a row is told apart.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import secrets
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from itertools import count, cycle
from pathlib import Path
from typing import Any

from benchmarks import corpus, qwen3, shapes
from benchmarks.machine import called, machine, versions
from benchmarks.profiles import CACHE
from benchmarks.report import console, percentiles, write
from benchmarks.systems.service import MODEL, config
from trueodds import Answer, AsyncClient, Client, Question, TrueoddsError
from trueodds_demo.service import running
from trueodds_service.caller import Permission
from trueodds_service.config import VllmSettings
from trueodds_service.store import SqlKeyStore, upgrade

_TIMES = 10
# Calls at once of which it is learnt how much can be answered.
_CALLS = 32
_BATCH = 32
# The deadline of a lone question of the busy tenant.
_DEADLINE_SECONDS = 5.0
# Until the pace of a busy engine is known.
_WARM_UP_SECONDS = 5.0
# How long a process takes to import what it needs, at the most: torch is read from a cold disk.
_START_SECONDS = 300.0
# One that is forked would have the threads of gRPC half.
_PROCESSES = multiprocessing.get_context("spawn")
# Of each row: whether its p99 is one stall, or many.
_SLOWEST = 5
_TEXTS = 4096
# Where questions are asked again: how many there are of those, and how often one of them comes.
_ASKED_AGAIN, _EACH = 16, 10


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenants", description=__doc__)
    add = parser.add_argument
    add("--shape", choices=sorted(shapes.SHAPES), help="a Llama's, with dummy weights, on a GPU")
    add("--seconds", type=float, default=60.0, help="of each measurement")
    add("--pause", type=float, default=0.3, help="after each of the quiet tenant's questions")
    add("--engine", type=json.loads, default={}, help="engine settings, as JSON")
    add("--gateways", type=int, default=1, help="of the service")
    add("--callers", type=int, default=1, help="the busy tenant's processes, a connection each")
    add("--output", type=Path, default=Path("build/bench/tenants.json"))
    options = parser.parse_args()
    weights, settings = _model(options.shape, options.engine)
    with tempfile.TemporaryDirectory() as folder:
        keys = _keys(f"sqlite:///{folder}/s.sqlite")
        own = {"access": "keys", "gateways": options.gateways}
        with running(config(Path(folder), weights, settings, own)) as address:
            with Client(address, api_key=keys["quiet"]) as client:
                client.wait_until_ready()
            result: dict[str, Any] = {
                "command": called("benchmarks.tenants"),
                "machine": machine(),
                "versions": versions(),
                "model": weights.name,
                "seconds": options.seconds,
            }
            asyncio.run(_measure(address, keys, weights, options, result))
    console.print_json(json.dumps(result))


async def _measure(
    address: str,
    keys: dict[str, str],
    weights: Path,
    options: argparse.Namespace,
    result: dict[str, Any],
) -> None:
    """Adds the quiet tenant's milliseconds, alone and beside each way in which the other asks, and
    writes them after each: a run that is cut off keeps its rows.
    """
    rows: dict[str, dict[str, Any]] = {}

    def keep(name: str, row: dict[str, Any]) -> None:
        rows[name] = row
        row["p99_ratio"] = round(row["p99"] / rows["alone"]["p99"], 2)
        write(result, options.output)

    questions = _questions(weights)
    capacity = await _capacity(address, keys["busy"], questions, options.seconds / 4)
    result |= {"capacity_per_second": round(capacity, 1), "rows": rows}
    async with AsyncClient(address, api_key=keys["quiet"], retries=0) as quiet:

        async def lone() -> dict[str, Any]:
            took = []
            ends = time.perf_counter() + options.seconds
            while (began := time.perf_counter()) < ends:
                await quiet.score(next(questions), model=MODEL)
                took.append(time.perf_counter() - began)
                await asyncio.sleep(options.pause)
            # The first finds an engine that knows of no second tenant.
            return {
                "first": round(took[0] * 1000, 1),
                "later": len(took) - 1,
                **percentiles(took[1:], 1),
                "slowest": [round(each * 1000, 1) for each in sorted(took[1:])[-_SLOWEST:]],
            }

        keep("alone", await lone())
        for way in _Way:
            rate = _TIMES * capacity
            with _flood(address, keys["busy"], weights, way, rate, options.callers) as answered:
                await asyncio.sleep(_WARM_UP_SECONDS)
                before, began = answered.value, time.perf_counter()
                row = await lone()
                others = (answered.value - before) / (time.perf_counter() - began)
            row["other_tenant_per_second"] = round(others, 1)
            keep(f"beside {way.value}", row)
        keep("alone again", await lone())


async def _capacity(address: str, key: str, questions: Iterator[Question], seconds: float) -> float:
    """Answers a second, to callers each of whom asks again at once."""
    async with AsyncClient(address, api_key=key, retries=0) as client:
        busy = _Busy(client, questions, _PROCESSES.Value("q", 0))

        async def call(ends: float) -> None:
            while time.perf_counter() < ends:
                await busy.one(MODEL)

        rate = 0.0
        for _ in range(2):  # the first to warm up
            before, began = busy.answered.value, time.perf_counter()
            await asyncio.gather(*(call(began + seconds) for _ in range(_CALLS)))
            rate = (busy.answered.value - before) / (time.perf_counter() - began)
        return rate


class _Way(Enum):
    """How the busy tenant asks."""

    # What that many calls cost the cores, whatever becomes of them.
    NO_MODEL = "calls for no model"
    LONE = "lone questions"
    AGAIN = "lone questions, some of them asked before"
    BULK = "bulk"


@contextmanager
def _flood(
    address: str, key: str, weights: Path, way: _Way, rate: float, callers: int
) -> Iterator[Any]:
    """The busy tenant, in processes of its own; the value counts its answers.

    It asks from when the value is there.
    """
    answered, began = _PROCESSES.Value("q", 0), _PROCESSES.Barrier(callers + 1)
    arguments = (address, key, weights, way, rate / callers, answered, began)
    processes = [
        _PROCESSES.Process(target=_ask, args=arguments, daemon=True) for _ in range(callers)
    ]
    for process in processes:
        process.start()
    began.wait(_START_SECONDS)
    try:
        yield answered
        if not all(process.is_alive() for process in processes):
            raise RuntimeError("the busy tenant has ended")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _ask(
    address: str, key: str, weights: Path, way: _Way, rate: float, answered: Any, began: Any
) -> None:
    """What the process of the busy tenant does."""

    async def ask() -> None:
        questions = _questions(weights)
        if way is _Way.AGAIN:
            questions = _some_again(questions)
        async with AsyncClient(address, api_key=key, retries=0) as client:
            busy = _Busy(client, questions, answered)
            # After a collection, what it held up would come at once.
            gc.freeze()
            gc.disable()
            await asyncio.to_thread(began.wait)
            model = "none" if way is _Way.NO_MODEL else MODEL
            if way is _Way.BULK:
                await _at(rate / _BATCH, busy.batch)
            else:
                await _at(rate, lambda: busy.one(model))

    asyncio.run(ask())


async def _at(rate: float, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """``rate`` calls a second, whatever becomes of those before."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for number in count():
            await asyncio.sleep(began + number / rate - time.perf_counter())
            calls.create_task(call())


@dataclass
class _Busy:
    """A tenant who asks for more than there is; ``answered`` is a number that processes share."""

    client: AsyncClient
    questions: Iterator[Question]
    answered: Any

    async def one(self, model: str) -> None:
        with suppress(TrueoddsError):
            question = next(self.questions)
            await self.client.score(question, model=model, timeout=_DEADLINE_SECONDS)
            self._count(1)

    async def batch(self) -> None:
        batch = [next(self.questions) for _ in range(_BATCH)]
        with suppress(TrueoddsError):
            outcomes = await self.client.score_batch(batch, model=MODEL, timeout=600)
            self._count(sum(isinstance(outcome, Answer) for outcome in outcomes))

    def _count(self, answers: int) -> None:
        with self.answered.get_lock():
            self.answered.value += answers


def _model(shape: str | None, engine: dict[str, Any]) -> tuple[Path, VllmSettings]:
    settings = {"max_tokens": shapes.CONTEXT, **engine}
    if shape is None:
        return qwen3.model(CACHE / "qwen3"), VllmSettings.model_validate(settings)
    tokenizer = corpus.tokenizer(CACHE / "tokenizer")
    weights = shapes.write(shapes.SHAPES[shape], tokenizer, CACHE / f"shape-{shape}")
    return weights, VllmSettings.model_validate({"load_format": "dummy", **settings})


def _questions(weights: Path) -> Iterator[Question]:
    """Without an end. What one begins with no other does, so that none is in a cache."""
    texts = cycle(qwen3.texts(weights, _TEXTS))
    return (
        Question(
            "What is it about?",
            ["files", "networks", "numbers"],
            passage=f"{secrets.token_hex(4)} {text}",
        )
        for text in texts
    )


def _some_again(questions: Iterator[Question]) -> Iterator[Question]:
    again = cycle([next(questions) for _ in range(_ASKED_AGAIN)])
    return (next(questions if number % _EACH else again) for number in count())


def _keys(url: str) -> dict[str, str]:
    """Keys of two tenants, by their names."""
    upgrade(url)
    store = SqlKeyStore(url)
    try:
        return {
            tenant: store.create(tenant, tenant=tenant, permissions={Permission.SCORE})[1]
            for tenant in ("quiet", "busy")
        }
    finally:
        store.close()


if __name__ == "__main__":
    main()
