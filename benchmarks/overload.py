"""Lone questions beside bulk, and more questions at once than can be answered in time: on the
demo's model, with the engine's steps as long as they get and with short ones, in one run.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.machine import called, machine, versions
from benchmarks.report import console, percentiles, write
from benchmarks.systems.service import MODEL, config
from trueodds import AsyncClient, Client, Question, TrueoddsError
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import MODELS, running
from trueodds_service.config import VllmSettings

_TASK = "knowledge"
# Longer than any step: bulk is handed over as if nobody waited.
_LONG, _SHORT = 60.0, 0.1


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--rows", type=int, default=6000, help="of the bulk")
    parser.add_argument("--at-once", type=int, default=200, help="questions")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds that each of them has")
    parser.add_argument("--output", type=Path, default=Path("build/bench/overload.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": called("benchmarks.overload"),
        "machine": machine(),
        "versions": versions(),
    }
    for step_seconds in (_LONG, _SHORT):
        with tempfile.TemporaryDirectory() as folder:
            settings = VllmSettings(step_seconds=step_seconds)
            with running(config(Path(folder), MODELS / "aligned", settings)) as address:
                with Client(address) as client:
                    client.wait_until_ready()
                found = asyncio.run(_measured(address, options))
        result[f"step_seconds {step_seconds:g}"] = found
        console.print_json(json.dumps(found))
    write(result, options.output)


async def _measured(address: str, options: argparse.Namespace) -> dict[str, Any]:
    examples = shots(_TASK)
    questions = scored_questions(_TASK, options.rows + options.at_once + 200)
    bulk, rest = questions[: options.rows], questions[options.rows :]
    burst, lone = rest[: options.at_once], rest[options.at_once :]
    async with AsyncClient(address) as client, AsyncClient(address, retries=0) as impatient:

        async def all_of(questions: list[Question]) -> float:
            started = time.perf_counter()
            await client.score_batch(questions, model=MODEL, shots=examples)
            return len(questions) / (time.perf_counter() - started)

        async def one(question: Question) -> float:
            started = time.perf_counter()
            await client.score(question, model=MODEL, shots=examples)
            return time.perf_counter() - started

        async def in_time(question: Question) -> float | None:
            with suppress(TrueoddsError):
                await impatient.score(
                    question, model=MODEL, shots=examples, timeout=options.timeout
                )
                return 1.0
            return None

        await all_of(bulk[:500])
        alone = [await one(question) for question in lone[:100]]
        rate_alone = await all_of(bulk)
        beside: list[float] = []
        task = asyncio.create_task(all_of(bulk))
        while not task.done():
            beside.append(await one(lone[len(beside) % len(lone)]))
        answers = await asyncio.gather(*map(in_time, burst))
    return {
        "load_average": os.getloadavg()[0],
        "lone_ms": percentiles(alone, 1),
        "bulk_per_second": round(rate_alone, 1),
        "lone_beside_bulk_ms": percentiles(beside, 1),
        "lone_beside_bulk": len(beside),
        "bulk_beside_lone_per_second": round(task.result(), 1),
        "answered_in_time": sum(answer is not None for answer in answers),
    }


if __name__ == "__main__":
    main()
