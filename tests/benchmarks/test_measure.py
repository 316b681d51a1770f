"""Rounds of systems in processes of their own; those here answer at once."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from benchmarks import measure, process, rows
from benchmarks.process import Scores
from benchmarks.workload import Round, Task

from trueodds import Question
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenPrompt


class Ready:
    """The logprobs that it tells are the prompt's tokens, negated."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        del weights, settings

    async def score(self, tasks: Sequence[Task]) -> Scores:
        prompts = [prompt for task in tasks for prompt in task.prompts]
        await asyncio.sleep(0.001)
        return Scores([-np.array(prompt.prompt, dtype=float) for prompt in prompts])

    async def one_at_a_time(self, tasks: Sequence[Task]) -> Scores:
        started = time.perf_counter()
        scores = await self.score(tasks)
        return Scores(scores.logprobs, [time.perf_counter() - started])

    async def forget(self, tasks: Sequence[Task]) -> Scores:
        del tasks
        return Scores()

    def close(self) -> None:
        pass


class Broken(Ready):
    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        raise RuntimeError("no such luck")


def test_each_row_beside_the_baseline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "LOG", tmp_path / "log")
    monkeypatch.setattr(
        measure,
        "SYSTEMS",
        {"offline": Ready, "async": Ready, "lm-eval": Ready, "openai": Broken},
    )
    chosen = rows.chosen(["async", "async-alone", "openai", "lm-eval"])
    work = [_round(number) for number in range(3)]
    plan = measure.Plan(tmp_path, VllmSettings(), [work], chosen, beside=2, slow_questions=2)
    kept: list[tuple[Sequence[measure.Found], Sequence[float]]] = []
    measure.measure(plan, print, lambda *known: kept.append(known))
    found, drift = kept[-1]
    by_key = {each.row.key: each for each in found}
    assert list(by_key) == ["offline", "async", "async-alone", "openai", "lm-eval"]
    assert [len(each.rates) for each in found] == [4, 2, 2, 0, 2]
    assert len(drift) == 2
    assert by_key["offline"].ratios == [1.0] * 4
    for key in ("async", "lm-eval"):
        assert (agreed := by_key[key].agreement) is not None
        assert (agreed.told, agreed.largest_difference, agreed.choices) == (1, 0, 1)
    assert len(by_key["async-alone"].latencies) == 2
    assert by_key["openai"].failure.endswith("RuntimeError: no such luck\n")


def _round(number: int) -> Round:
    def task(name: str, count: int) -> Task:
        prompts = [TokenPrompt((number, place + 1, 7), ((1,), (2,))) for place in range(count)]
        questions = [Question("?", ["a", "b"])] * count
        return Task(name, [], questions, prompts, ["?"] * count)

    return Round([task("one", 8), task("two", 8)], [task("one", 1), task("two", 1)])
