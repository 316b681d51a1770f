"""One tenant's lone questions: by themselves, and beside another's, who asks for ten times what the
engine can answer, one question a call or in bulk.

Each has a key of its own. Questions have 600 tokens, of which no other has any.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
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
_BATCH = 256
# The deadline of a lone question of the busy tenant.
_DEADLINE_SECONDS = 5.0
# Until the pace of a busy engine is known.
_WARM_UP_SECONDS = 5.0
# More than an engine keeps in its cache.
_TEXTS = 4096


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenants", description=__doc__)
    add = parser.add_argument
    add("--shape", choices=sorted(shapes.SHAPES), help="a Llama's, with dummy weights, on a GPU")
    add("--seconds", type=float, default=60.0, help="of each measurement")
    add("--pause", type=float, default=0.3, help="after each of the quiet tenant's questions")
    add("--engine", type=json.loads, default={}, help="engine settings, as JSON")
    add("--output", type=Path, default=Path("build/bench/tenants.json"))
    options = parser.parse_args()
    weights, settings = _model(options.shape, options.engine)
    questions = _questions(weights)
    with tempfile.TemporaryDirectory() as folder:
        keys = _keys(f"sqlite:///{folder}/s.sqlite")
        with running(config(Path(folder), weights, settings, {"access": "keys"})) as address:
            with Client(address, api_key=keys["quiet"]) as client:
                client.wait_until_ready()
            found = asyncio.run(_measured(address, keys, questions, options))
    result = {
        "command": called("benchmarks.tenants"),
        "machine": machine(),
        "versions": versions(),
        "model": weights.name,
        "seconds": options.seconds,
        **found,
    }
    console.print_json(json.dumps(result))
    write(result, options.output)


async def _measured(
    address: str, keys: dict[str, str], questions: Iterator[Question], options: argparse.Namespace
) -> dict[str, Any]:
    """The quiet tenant's milliseconds, alone and beside each way in which the other asks."""
    async with (
        AsyncClient(address, api_key=keys["quiet"], retries=0) as quiet,
        AsyncClient(address, api_key=keys["busy"], retries=0) as client,
    ):

        async def lone() -> dict[str, float]:
            took = []
            ends = time.perf_counter() + options.seconds
            while (began := time.perf_counter()) < ends:
                await quiet.score(next(questions), model=MODEL)
                took.append(time.perf_counter() - began)
                await asyncio.sleep(options.pause)
            return {"questions": len(took), **percentiles(took, 1)}

        busy = _Busy(client, questions)
        capacity = await busy.capacity(options.seconds / 4)
        rows = {"alone": await lone()}
        for way, asking in {
            # What that many calls cost the cores, whatever becomes of them.
            "calls for no model": busy.ones(_TIMES * capacity, model="none"),
            "lone questions": busy.ones(_TIMES * capacity),
            "bulk": busy.bulk(_TIMES * capacity),
        }.items():
            async with _meanwhile(asking):
                await asyncio.sleep(_WARM_UP_SECONDS)
                before, began = busy.answered, time.perf_counter()
                row = await lone()
                seconds = time.perf_counter() - began
            row["other_tenant_per_second"] = round((busy.answered - before) / seconds, 1)
            rows[f"beside {way}"] = row
        rows["alone again"] = await lone()
    for row in rows.values():
        row["p99_ratio"] = round(row["p99"] / rows["alone"]["p99"], 2)
    return {"capacity_per_second": round(capacity, 1), "rows": rows}


@dataclass
class _Busy:
    """A tenant who asks for more than there is."""

    client: AsyncClient
    questions: Iterator[Question]
    answered: int = 0

    async def capacity(self, seconds: float) -> float:
        """Answers a second, to callers each of whom asks again at once."""

        async def call(ends: float) -> None:
            while time.perf_counter() < ends:
                await self._one()

        rate = 0.0
        for _ in range(2):  # the first to warm up
            before, began = self.answered, time.perf_counter()
            await asyncio.gather(*(call(began + seconds) for _ in range(_CALLS)))
            rate = (self.answered - before) / (time.perf_counter() - began)
        return rate

    async def ones(self, rate: float, model: str = MODEL) -> None:
        """``rate`` calls a second, whatever becomes of those before."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            for number in count():
                await asyncio.sleep(began + number / rate - time.perf_counter())
                calls.create_task(self._one(model))

    async def bulk(self, rate: float) -> None:
        """Batches: at any time as many of their questions wait as ten seconds bring."""
        async with asyncio.TaskGroup() as calls:
            for _ in range(math.ceil(10 * rate / _BATCH)):
                calls.create_task(self._batches())

    async def _one(self, model: str = MODEL) -> None:
        with suppress(TrueoddsError):
            question = next(self.questions)
            await self.client.score(question, model=model, timeout=_DEADLINE_SECONDS)
            self.answered += 1

    async def _batches(self) -> None:
        while True:
            with suppress(TrueoddsError):
                batch = [next(self.questions) for _ in range(_BATCH)]
                outcomes = await self.client.score_batch(batch, model=MODEL, timeout=600)
                self.answered += sum(isinstance(outcome, Answer) for outcome in outcomes)


@asynccontextmanager
async def _meanwhile(asking: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(asking)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


def _model(shape: str | None, engine: dict[str, Any]) -> tuple[Path, VllmSettings]:
    settings = {"max_tokens": shapes.CONTEXT, **engine}
    if shape is None:
        return qwen3.model(CACHE / "qwen3"), VllmSettings.model_validate(settings)
    tokenizer = corpus.tokenizer(CACHE / "tokenizer")
    weights = shapes.write(shapes.SHAPES[shape], tokenizer, CACHE / f"shape-{shape}")
    return weights, VllmSettings.model_validate({"load_format": "dummy", **settings})


def _questions(weights: Path) -> Iterator[Question]:
    """Without an end, and none twice within what a cache holds."""
    texts = qwen3.texts(weights, _TEXTS)
    return cycle(
        [
            Question("What is it about?", ["files", "networks", "numbers"], passage=text)
            for text in texts
        ]
    )


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
