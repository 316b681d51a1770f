"""What models say of every question, read through the service: `python -m studies.real.read …`.

Starts the service with some models, asks them in each way, and writes what came so far after each
pass: the first questions of every task, then more, until all are asked or the time is up, in the
middle of a pass too. A question that was not answered is NaN.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.real.tasks import SHOTS, Task, index, load
from trueodds import Answer, AsyncClient, Example, Format, OrderCorrection
from trueodds import Reading as Way
from trueodds_demo.service import running

# Ways to ask: the format, and which worked examples: none, its own, or another task's.
WAYS = ("paren/0", "paren/5", "letter/0", "letter/5", "paren/other")
FORMATS = {"paren": Format.PAREN, "letter": Format.LETTER}
# How many questions of each task are asked: first these, then more, and all at last.
PASSES = (10, 40, 100, None)
# In these the models' liking for a label is measured, too (PriDe), on this many questions a task.
PRIORS, PRIOR_QUESTIONS = ("paren/0", "letter/0"), 8
MOST_OPTIONS = 5
_CONNECTIONS, _GATEWAYS = 16, 4
_CALLS = 64
# Gateways that encode for nine engines are behind for minutes.
_PATIENCE_SECONDS = 3000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What one model said in one way: ln p of the options, (n, 5), NaN beyond a task's; p(F | x),
    (n,), and the option mass.
    """

    logprobs: Floats
    format: Floats
    mass: Floats

    @classmethod
    def empty(cls, count: int) -> "Found":
        nothing = [np.full(shape, np.nan) for shape in ((count, MOST_OPTIONS), count, count)]
        return cls(*nothing)

    def put(self, place: int, answer: Answer) -> None:
        said = [option.logprob for option in answer.options]
        self.logprobs[place, : len(said)] = said
        self.format[place] = answer.format_probability
        self.mass[place] = answer.option_mass


class Reading:
    """All that is asked of some models, and what they have answered so far."""

    def __init__(self, tasks: Sequence[Task], models: Sequence[str], deadline: float) -> None:
        self._tasks, self._deadline = tasks, deadline
        sizes = [len(task.asked) for task in tasks]
        self._starts = [0, *itertools.accumulate(sizes)]
        self.found = {(m, way): Found.empty(sum(sizes)) for way in WAYS for m in models}
        self.priors = {
            (m, way): np.full((len(tasks), MOST_OPTIONS), np.nan) for way in PRIORS for m in models
        }
        self.errors = 0

    async def run(self, address: str, output: Path) -> None:
        """Asks in passes; whoever cannot be answered is counted."""
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(AsyncClient(address, timeout=_PATIENCE_SECONDS))
                for _ in range(_CONNECTIONS)
            ]
            await clients[0].wait_until_ready()
            done = 0
            for most in PASSES:
                started, before = time.perf_counter(), self._answered()
                free, turns = asyncio.Semaphore(_CALLS), itertools.cycle(clients)
                asked = [
                    self._ask(next(turns), free, place, key, slice(done, most))
                    for key in self.found
                    for place in range(len(self._tasks))
                ]
                if not done:
                    asked += [
                        self._like(next(turns), free, place, key)
                        for key in self.priors
                        for place in range(len(self._tasks))
                    ]
                try:
                    async with asyncio.timeout(self._deadline - time.monotonic()):
                        await asyncio.gather(*asked)
                    in_time = True
                except TimeoutError:
                    in_time = False
                self.save(output)
                took, more = time.perf_counter() - started, self._answered() - before
                print(f"{most}: {more} answers in {took:.0f} s; {self.errors} errors", flush=True)
                if most is None or not in_time:
                    return
                done = most

    async def _ask(
        self,
        client: AsyncClient,
        free: asyncio.Semaphore,
        place: int,
        key: tuple[str, str],
        part: slice,
    ) -> None:
        task, (model, way) = self._tasks[place], key
        name, kind = way.split("/")
        async with free:
            questions = task.questions[part]
            if not questions:
                return
            outcomes = await client.score_batch(
                questions, model=model, shots=self._shots(place, kind), reading=FORMATS[name]
            )
        for at, outcome in enumerate(outcomes, self._starts[place] + part.start):
            if isinstance(outcome, Answer):
                self.found[key].put(at, outcome)
            else:
                self.errors += 1
                print(f"{model} {way} {task.name}: {outcome}", flush=True)

    async def _like(
        self, client: AsyncClient, free: asyncio.Semaphore, place: int, key: tuple[str, str]
    ) -> None:
        model, way = key
        reading = Way(FORMATS[way.split("/")[0]], order_correction=OrderCorrection.PRIOR)
        async with free:
            outcomes = await client.score_batch(
                self._tasks[place].questions[:PRIOR_QUESTIONS], model=model, reading=reading
            )
        for outcome in outcomes:
            if isinstance(outcome, Answer) and outcome.label_prior:
                self.priors[key][place, : len(outcome.label_prior)] = outcome.label_prior
                return

    def _shots(self, place: int, kind: str) -> list[Example]:
        if kind == "0":
            return []
        if kind == str(SHOTS):
            return self._tasks[place].shots
        # Irrelevant ones: the next task's.
        return self._tasks[(place + 1) % len(self._tasks)].shots

    def _answered(self) -> int:
        return int(sum((~np.isnan(found.format)).sum() for found in self.found.values()))

    def save(self, output: Path) -> None:
        """Half precision: a thousandth of a nat, about."""
        arrays = index(self._tasks)
        for (model, way), found in self.found.items():
            for field in ("logprobs", "format", "mass"):
                arrays[f"{model}/{way}/{field}"] = getattr(found, field).astype(np.float16)
        for (model, way), prior in self.priors.items():
            arrays[f"{model}/{way}/prior"] = prior.astype(np.float32)
        save_arrays(arrays, output)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.read", description=__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--output", type=Path, required=True, help="an .npz file")
    parser.add_argument("--data", type=Path, required=True, help="holds mmlu/ and agieval/")
    parser.add_argument("--seconds", type=float, default=3600.0, help="for all")
    parser.add_argument("--at-most", type=int, help="questions of each task")
    parser.add_argument("--engine", type=yaml.safe_load, default={}, help="its settings, as YAML")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    models: list[dict[str, Any]] = []
    for each in options.models:
        name, _, folder = each.partition("=")
        weights = str(Path(folder).resolve())
        models.append({"name": name, "weights": weights, "engine": options.engine})
    config = options.output.with_suffix(".yaml")
    content = {
        "listen": "127.0.0.1:0",
        "gateways": _GATEWAYS,
        "store": "sqlite:///study.sqlite",
        "models": models,
    }
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    reading = Reading(load(options.data, options.at_most), [m["name"] for m in models], deadline)
    with running(config) as address:
        print(f"{address} with {len(models)} models", flush=True)
        asyncio.run(reading.run(address, options.output))


if __name__ == "__main__":
    main()
