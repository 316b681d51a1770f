"""vLLM without the service: ``LLM.generate``, and the bare ``AsyncLLM``, from token ids."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.process import Scores
from benchmarks.workload import Task
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.vllm.launch import engine_arguments

# Requests that the bare AsyncLLM holds at once.
IN_FLIGHT = 1024


class Offline:
    """``LLM.generate``: all prompts as one list, one greedy token after each.

    The format identifier is part of the prompt: other than the service, this reads the options'
    logprobs only and no format probability. The engine's settings are the service's.
    """

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = peer_arguments(weights, settings)
        from vllm import LLM  # noqa: PLC0415 (it reads the environment)

        self._llm = LLM(**arguments)

    async def score(self, tasks: Sequence[Task]) -> Scores:
        from vllm.inputs import TokensPrompt  # noqa: PLC0415

        parameters = _Parameters(stream=False)
        prompts = [prompt for task in tasks for prompt in task.prompts]
        outputs = self._llm.generate(
            [TokensPrompt(prompt_token_ids=ids(prompt)) for prompt in prompts],
            [parameters.of(prompt) for prompt in prompts],
            use_tqdm=False,
        )
        return Scores([_read(*each) for each in zip(prompts, outputs, strict=True)])

    async def forget(self, tasks: Sequence[Task]) -> Scores:
        """Empties the prefix cache."""
        self._llm.reset_prefix_cache()
        return Scores()

    def close(self) -> None:
        pass


class OfflineDefaults(Offline):
    """The same with vLLM's own settings, but for memory, the number format and the context."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        kept = (
            *("model", "load_format", "dtype", "max_model_len", "skip_tokenizer_init"),
            *("kv_cache_memory_bytes", "gpu_memory_utilization"),
        )
        arguments = peer_arguments(weights, settings)
        from vllm import LLM  # noqa: PLC0415 (it reads the environment)

        self._llm = LLM(**{name: arguments[name] for name in kept})


class Async:
    """The bare ``AsyncLLM``, with neither Ray nor gRPC around it."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = peer_arguments(weights, settings)
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._numbers = itertools.count()
        self._parameters = _Parameters(stream=True)

    async def score(self, tasks: Sequence[Task]) -> Scores:
        """Many at once, in their order."""
        free = asyncio.Semaphore(IN_FLIGHT)

        async def one(prompt: TokenPrompt) -> NDArray[np.float64]:
            async with free:
                return await self._one(prompt)

        prompts = [prompt for task in tasks for prompt in task.prompts]
        return Scores(list(await asyncio.gather(*map(one, prompts))))

    async def one_at_a_time(self, tasks: Sequence[Task]) -> Scores:
        found, latencies = [], []
        for prompt in (prompt for task in tasks for prompt in task.prompts):
            started = time.perf_counter()
            found.append(await self._one(prompt))
            latencies.append(time.perf_counter() - started)
        return Scores(found, latencies)

    def close(self) -> None:
        self._llm.shutdown()

    async def _one(self, prompt: TokenPrompt) -> NDArray[np.float64]:
        from vllm.inputs import TokensPrompt  # noqa: PLC0415

        generation = self._llm.generate(
            TokensPrompt(prompt_token_ids=ids(prompt)),
            self._parameters.of(prompt),
            str(next(self._numbers)),
        )
        return _read(prompt, [output async for output in generation][-1])


def peer_arguments(weights: Path, settings: VllmSettings) -> dict[str, Any]:
    """The service's engine arguments, without what only the service needs."""
    arguments = engine_arguments(weights, settings)
    for name in ("logits_processors", "scheduling_policy"):
        arguments.pop(name, None)
    return arguments


def ids(prompt: TokenPrompt) -> list[int]:
    """The tokens up to where the options are read."""
    return [*prompt.prompt, *prompt.identifier]


def labels(prompt: TokenPrompt) -> tuple[int, ...]:
    """The options' tokens; a ValueError where one has several."""
    return tuple(token for (token,) in prompt.continuations)


class _Parameters:
    """Sampling parameters, made once for each set of labels."""

    def __init__(self, *, stream: bool) -> None:
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        self._extra: Mapping[str, Any] = (
            {"output_kind": RequestOutputKind.FINAL_ONLY} if stream else {}
        )
        self._made: dict[tuple[int, ...], Any] = {}

    def of(self, prompt: TokenPrompt) -> Any:
        from vllm import SamplingParams  # noqa: PLC0415

        wanted = labels(prompt)
        if wanted not in self._made:
            self._made[wanted] = SamplingParams(
                temperature=0.0,
                max_tokens=1,
                logprob_token_ids=list(wanted),
                detokenize=False,
                **self._extra,
            )
        return self._made[wanted]


def _read(prompt: TokenPrompt, output: Any) -> NDArray[np.float64]:
    [step] = output.outputs[0].logprobs
    return np.array([step[token].logprob for token in labels(prompt)])
