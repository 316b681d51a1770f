"""The service's engine without the service, and lm-eval's, for options of many tokens."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.process import Scores, SystemProcess
from benchmarks.systems.lm_eval import LmEval
from benchmarks.workload import Task
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.vllm.engine import VllmEngine

__all__ = ["Bare", "EngineProcess", "LmEval"]

EngineProcess = SystemProcess


class Bare:
    """The service's engine around ``AsyncLLM``, with neither Ray nor gRPC around it."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        self._engine = VllmEngine.start(weights, settings)

    async def score(self, tasks: Sequence[Task]) -> Scores:
        found = []
        for task in tasks:
            found += await self._engine.score(task.prompts)
        scores = [each for each in found if isinstance(each, TokenScore)]
        if len(scores) < len(found):
            raise RuntimeError("the engine failed at a prompt")
        return Scores([np.array(each.continuations) for each in scores])

    async def one_at_a_time(self, tasks: Sequence[Task]) -> Scores:
        found, latencies = [], []
        for task in tasks:
            started = time.perf_counter()
            found += (await self.score([task])).logprobs
            latencies.append(time.perf_counter() - started)
        return Scores(found, latencies)

    def close(self) -> None:
        self._engine.close()
