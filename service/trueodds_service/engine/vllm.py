"""vLLM as an engine: exact logprobs of given tokens. The only home of vllm.

One request a prompt, with ``logprob_token_ids``: vLLM returns raw logprobs over the whole
vocabulary for just these tokens, and its prefix cache stays on.
"""

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import EngineDied, EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.prefix import PrefixGate, shared_prefix

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

_CPU_DEFAULT_KV_GIB = 1.0
# The smallest block that vLLM's CPU attention takes: short shared prefixes still hit the cache.
_CPU_BLOCK_TOKENS = 32
_GPU_BLOCK_TOKENS = 16
# vLLM's own default is meant for an engine alone on its GPU, as one started by hand is.
_GPU_MEMORY = 0.9

_ENVIRONMENT = {
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
    """One model in vLLM's AsyncLLM."""

    def __init__(self, llm: "AsyncLLM", info: EngineInfo, block_tokens: int) -> None:
        self.info = info
        self._llm = llm
        self._request_ids = itertools.count()
        self._block_tokens = block_tokens
        self._gate = PrefixGate()

    @classmethod
    def start(cls, weights: Path, settings: VllmSettings) -> "VllmEngine":
        """Loads a model. Blocks until it can answer: seconds on a CPU, up to a minute on a GPU.

        Call it inside the event loop that will score.
        """
        arguments = engine_arguments(weights, settings)
        import vllm  # noqa: PLC0415 (reads the environment when it is imported)
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        config = llm.model_config
        info = EngineInfo(
            name="vllm",
            version=vllm.__version__,
            dtype=str(config.dtype).removeprefix("torch."),
            max_tokens=config.max_model_len,
        )
        return cls(llm, info, arguments["block_size"] or _GPU_BLOCK_TOKENS)

    async def score(self, prompts: Sequence[TokenPrompt]) -> list[TokenScore]:
        first: list[TokenScore] = []
        prefix = shared_prefix([prompt.prompt for prompt in prompts], self._block_tokens)
        if prefix:
            async with self._gate.ahead(prefix) as ahead:
                if ahead:
                    first = [await self._score(prompts[0])]
        rest = prompts[len(first) :]
        return first + await gather_or_cancel(self._score(prompt) for prompt in rest)

    def close(self) -> None:
        self._llm.shutdown()

    async def _score(self, prompt: TokenPrompt) -> TokenScore:
        from vllm.inputs import TokensPrompt  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        generation = self._llm.generate(
            TokensPrompt(prompt_token_ids=list(prompt.prompt)),
            _sampling(prompt.options, prompt.identifier),
            str(next(self._request_ids)),
        )
        try:
            output = [output async for output in generation][-1].outputs[0]
        except EngineDeadError as error:
            raise EngineDied("vLLM's engine process is gone") from error
        return _read(prompt, output.logprobs)


def engine_arguments(weights: Path, settings: VllmSettings) -> dict[str, Any]:
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
    }


@functools.lru_cache(maxsize=4096)
def _sampling(options: tuple[int, ...], identifier: int | None) -> "SamplingParams":
    """One greedy token; or the identifier, forced, and one greedy token after it.

    The logprobs are those before the force applies, so the first step tells p(identifier) and
    the second the options given it: one prompt for both.
    """
    from vllm import SamplingParams  # noqa: PLC0415
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    wanted = options if identifier is None else (identifier, *options)
    return SamplingParams(
        temperature=0.0,
        max_tokens=1 if identifier is None else 2,
        ignore_eos=True,
        allowed_token_ids=None if identifier is None else [identifier],
        logprob_token_ids=list(dict.fromkeys(wanted)),
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
    )


def _read(prompt: TokenPrompt, steps: Any) -> TokenScore:
    options = np.array([steps[-1][token].logprob for token in prompt.options], dtype=np.float64)
    if prompt.identifier is None:
        return TokenScore(options)
    return TokenScore(options, float(steps[0][prompt.identifier].logprob))


def _set_environment(values: Mapping[str, str]) -> None:
    """What vLLM takes from its environment only. The operator's own values win."""
    for name, value in values.items():
        os.environ.setdefault(name, value)
