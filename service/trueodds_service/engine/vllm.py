"""vLLM as an engine: exact logprobs of given tokens. The only home of vllm, with ``forced``.

A question whose options are one token each is one request with ``logprob_token_ids``: vLLM
returns raw logprobs over the whole vocabulary for just these tokens, and its prefix cache stays
on. Longer options begin with the same request, which reads their first tokens. The rest of each
is then scored as part of a prompt, in one step on top of the cached prefix. Where the cache
already holds some of the option, so that vLLM would not compute its logprobs, or where it cannot
tell those of a prompt, its tokens are forced one after another (``forced.py``).
benchmarks/README.md has the figures.
"""

import functools
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import (
    MAX_TOP_TOKENS,
    EngineDied,
    EngineInfo,
    TokenPrompt,
    TokenScore,
)
from trueodds_service.engine.lanes import Lanes
from trueodds_service.engine.prefix import PrefixGate, shared_prefix

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

_CPU_DEFAULT_KV_GIB = 1.0
# The smallest block that vLLM's CPU attention takes: short shared prefixes still hit the cache.
_CPU_BLOCK_TOKENS = 32
_GPU_BLOCK_TOKENS = 16
# vLLM's own default is meant for an engine alone on its GPU, as one started by hand is.
_GPU_MEMORY = 0.9

# Where the sampling parameters of a request hold its forced tokens, in ``extra_args``.
FORCED = "trueodds_forced"

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# vLLM's own limit to ``logprob_token_ids``.
_MOST_TOKENS_READ = 128

_ENVIRONMENT = {
    # One runner for all versions and machines: V2 takes other logits processors.
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    # Binding threads to cores fails in containers and slows a machine with few cores.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    # flashinfer is not among the requirements, and greedy scoring samples nothing.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}
_CPU_ENVIRONMENT = {
    # Without this vLLM overrules the executor below, and a model takes one process more.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Threads that spin while they wait take their cores from the gateway and from other engines.
    "OMP_WAIT_POLICY": "passive",
}


class VllmEngine:
    """One model in vLLM's AsyncLLM, and the LoRA adapters over it."""

    def __init__(
        self,
        llm: "AsyncLLM",
        info: EngineInfo,
        block_tokens: int,
        adapters: "Mapping[str, LoRARequest]",
        *,
        on_cpu: bool,
    ) -> None:
        self.info = info
        self._llm = llm
        self._request_ids = itertools.count()
        self._block_tokens = block_tokens
        self._gate = PrefixGate()
        self._lanes = Lanes()
        self._adapters = adapters
        self._on_cpu = on_cpu

    @classmethod
    def start(
        cls, weights: Path, settings: VllmSettings, adapters: Mapping[str, Path] | None = None
    ) -> "VllmEngine":
        """Loads a model. Blocks until it can answer: seconds on a CPU, up to a minute on a GPU.

        ``adapters`` are folders by name. Call it inside the event loop that will score.
        """
        adapters = adapters or {}
        arguments = engine_arguments(weights, settings, adapters)
        import vllm  # noqa: PLC0415 (reads the environment when it is imported)
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.lora.request import LoRARequest  # noqa: PLC0415
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        config = llm.model_config
        info = EngineInfo(
            name="vllm",
            version=vllm.__version__,
            dtype=str(config.dtype).removeprefix("torch."),
            max_tokens=config.max_model_len,
        )
        # vLLM knows an adapter by its number, and would answer from another's cache were it reused.
        requests = {
            name: LoRARequest(name, number, str(path))
            for number, (name, path) in enumerate(adapters.items(), 1)
        }
        block_tokens = arguments["block_size"] or _GPU_BLOCK_TOKENS
        return cls(llm, info, block_tokens, requests, on_cpu=current_platform.is_cpu())

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[TokenScore]:
        lora = None if adapter is None else self._adapters[adapter]
        first: list[TokenScore] = []
        prefix = shared_prefix([prompt.prompt for prompt in prompts], self._block_tokens)
        if prefix:
            async with self._gate.ahead((adapter, prefix)) as ahead:
                if ahead:
                    first = [await self._score(prompts[0], lora)]
        rest = prompts[len(first) :]
        return first + await gather_or_cancel(self._score(prompt, lora) for prompt in rest)

    def close(self) -> None:
        self._llm.shutdown()

    async def _score(self, prompt: TokenPrompt, lora: "LoRARequest | None") -> TokenScore:
        identifier, firsts = await self._first_tokens(prompt, lora)
        logprobs = np.array([firsts[tokens[0]] for tokens in prompt.continuations])
        longer = [place for place, tokens in enumerate(prompt.continuations) if len(tokens) > 1]
        if longer:
            read_at = prompt.prompt + prompt.identifier
            rests = await gather_or_cancel(
                self._rest(read_at + tokens[:1], tokens[1:], lora)
                for tokens in (prompt.continuations[place] for place in longer)
            )
            logprobs[longer] += rests
        top = await self._top_tokens(prompt, lora) if prompt.top_tokens else ()
        return TokenScore(logprobs, identifier, top)

    async def _first_tokens(
        self, prompt: TokenPrompt, lora: "LoRARequest | None"
    ) -> tuple[float, dict[int, float]]:
        """ln p of the identifier, and of the first token of every continuation after it."""
        wanted = tuple(dict.fromkeys(tokens[0] for tokens in prompt.continuations))
        identifier = 0.0
        firsts: dict[int, float] = {}
        for start in range(0, len(wanted), _MOST_TOKENS_READ):
            part = wanted[start : start + _MOST_TOKENS_READ]
            steps = await self._read(prompt.prompt, _sampling(prompt.identifier, part), lora)
            identifier = _sum(steps, prompt.identifier)
            firsts |= {token: float(steps[-1][token].logprob) for token in part}
        return identifier, firsts

    async def _rest(
        self, before: tuple[int, ...], tokens: tuple[int, ...], lora: "LoRARequest | None"
    ) -> float:
        """ln p(tokens | before)."""
        # vLLM's V1 runner fails at the logprobs of a prompt where adapters are on.
        if len(tokens) > 1 and not self._adapters:
            output = await self._output(before + tokens, _prompt_sampling(), lora)
            # The logprob of a token comes from the place before it; what is cached has none.
            if (output.num_cached_tokens or 0) < len(before):
                return _sum(output.prompt_logprobs[len(before) :], tokens)
        return await self._forced(before, tokens, lora)

    async def _forced(
        self, before: tuple[int, ...], tokens: tuple[int, ...], lora: "LoRARequest | None"
    ) -> float:
        """ln p(tokens | before)."""
        # The last token is not forced, only read.
        steps = await self._read(before, _sampling(tokens[:-1], tokens[-1:]), lora)
        return _sum(steps, tokens)

    async def _top_tokens(
        self, prompt: TokenPrompt, lora: "LoRARequest | None"
    ) -> tuple[tuple[int, float], ...]:
        before = prompt.prompt + prompt.identifier
        [step] = await self._read(before, _top_sampling(prompt.top_tokens), lora)
        likeliest = sorted(step.items(), key=lambda item: -item[1].logprob)
        return tuple((token, float(read.logprob)) for token, read in likeliest[: prompt.top_tokens])

    async def _read(
        self, tokens: tuple[int, ...], params: "SamplingParams", lora: "LoRARequest | None"
    ) -> Any:
        """vLLM's logprobs by token, one mapping a step."""
        return (await self._output(tokens, params, lora)).outputs[0].logprobs

    def _lane(self, params: "SamplingParams", lora: "LoRARequest | None") -> str:
        """Requests that differ in this must not share a batch of vLLM's V1 runner.

        It spoils the top tokens where another request reads given tokens (vllm#51789), and on a
        CPU it puts an adapter on the base model's rows too.
        """
        lane = "given" if params.logprobs is None else "top"
        return f"{lane}, adapted" if lora is not None and self._on_cpu else lane

    async def _output(
        self, tokens: tuple[int, ...], params: "SamplingParams", lora: "LoRARequest | None"
    ) -> Any:
        from vllm.inputs import TokensPrompt  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        async with self._lanes.of(self._lane(params, lora)):
            generation = self._llm.generate(
                TokensPrompt(prompt_token_ids=list(tokens)),
                params,
                str(next(self._request_ids)),
                lora_request=lora,
            )
            try:
                return [output async for output in generation][-1]
            except EngineDeadError as error:
                raise EngineDied("vLLM's engine process is gone") from error


def engine_arguments(
    weights: Path, settings: VllmSettings, adapters: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """vLLM's arguments for a model on this machine. Sets the environment that they rely on."""
    _set_environment(_ENVIRONMENT)
    from vllm.platforms import current_platform  # noqa: PLC0415

    on_cpu = current_platform.is_cpu()
    if on_cpu:
        _set_environment(_CPU_ENVIRONMENT)
    kv_gib = settings.kv_cache_gib or (_CPU_DEFAULT_KV_GIB if on_cpu else None)
    return {
        "model": str(weights),
        "load_format": settings.load_format,
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "dtype": "float32" if on_cpu and settings.dtype == "auto" else settings.dtype,
        "max_model_len": settings.max_tokens,
        "max_num_batched_tokens": settings.max_batch_tokens,
        "max_num_seqs": settings.max_sequences,
        "enable_prefix_caching": True,
        "block_size": _CPU_BLOCK_TOKENS if on_cpu else None,
        "kv_cache_memory_bytes": int(kv_gib * 2**30) if kv_gib else None,
        "gpu_memory_utilization": settings.gpu_memory_fraction or _GPU_MEMORY,
        "enforce_eager": on_cpu if settings.eager is None else settings.eager,
        # One process a model; vLLM would add a second one on a CPU.
        "distributed_executor_backend": "uni" if on_cpu else None,
        "disable_log_stats": True,
        "max_logprobs": MAX_TOP_TOKENS,
        "logits_processors": ["trueodds_service.engine.forced:ForcedTokens"],
        **_lora_arguments(adapters or {}),
    }


def _lora_arguments(adapters: Mapping[str, Path]) -> dict[str, Any]:
    if not adapters:
        return {}
    ranks = [
        json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        for path in adapters.values()
    ]
    return {
        "enable_lora": True,
        "max_loras": len(adapters),
        # vLLM takes some ranks only.
        "max_lora_rank": next(rank for rank in _LORA_RANKS if rank >= max(ranks)),
    }


@functools.lru_cache(maxsize=4096)
def _sampling(forced: tuple[int, ...], wanted: tuple[int, ...]) -> "SamplingParams":
    """The forced tokens, one a step, and one step more that reads the wanted ones.

    A forced token is chosen, and vLLM always tells the logprob of what it chose: so the first
    steps tell p(forced) and the last one the wanted tokens given them, from one prompt.
    """
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(
        max_tokens=len(forced) + 1,
        logprob_token_ids=list(wanted),
        extra_args={FORCED: list(forced)} if forced else None,
        **_greedy(),
    )


@functools.lru_cache(maxsize=1)
def _prompt_sampling() -> "SamplingParams":
    """Logprobs of the prompt's own tokens, from the first that is not cached."""
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(
        max_tokens=1, prompt_logprobs=0, skip_reading_prefix_cache=False, **_greedy()
    )


@functools.lru_cache(maxsize=32)
def _top_sampling(count: int) -> "SamplingParams":
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(max_tokens=1, logprobs=count, **_greedy())


def _greedy() -> dict[str, Any]:
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    return {
        "temperature": 0.0,
        "ignore_eos": True,
        "detokenize": False,
        "output_kind": RequestOutputKind.FINAL_ONLY,
        "skip_clone": True,
    }


def _sum(steps: Any, tokens: tuple[int, ...]) -> float:
    """The logprobs of one token a step, summed; the rest of the steps is left."""
    return sum(float(step[token].logprob) for step, token in zip(steps, tokens, strict=False))


def _set_environment(values: Mapping[str, str]) -> None:
    """What vLLM takes from its environment only. The operator's own values win."""
    for name, value in values.items():
        os.environ.setdefault(name, value)
