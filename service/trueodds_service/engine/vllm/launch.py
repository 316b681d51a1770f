"""How vLLM is started on this machine, for scoring: its arguments and its environment."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueodds_service.config import MAX_LORA_RANK, VllmSettings
from trueodds_service.engine.base import MAX_TOP_TOKENS
from trueodds_service.errors import ConfigError
from trueodds_service.revision import check_quantization, quantized_by

_CPU_DEFAULT_KV_GIB = 1.0
# The smallest block that vLLM's CPU attention takes: short shared prefixes still hit the cache.
_CPU_BLOCK_TOKENS = 32
# vLLM's own default is meant for an engine alone on its GPU, as one started by hand is.
_GPU_MEMORY = 0.9

# Those that vLLM takes; config knows the largest.
_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, MAX_LORA_RANK)

_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"
_ENVIRONMENT = {
    # One runner for all versions and machines: V2 takes other logits processors.
    _RUNNER: "0",
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


def engine_arguments(
    weights: Path, settings: VllmSettings, adapters: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """vLLM's arguments for a model on this machine. Sets the environment that they rely on."""
    _set_environment(_ENVIRONMENT)
    from vllm.platforms import current_platform  # noqa: PLC0415

    on_cpu = current_platform.is_cpu()
    check_quantization(weights, settings.quantization)
    if on_cpu:
        _set_environment(_CPU_ENVIRONMENT)
    parallel = max(1, int(settings.gpus or 1))
    kv_gib = settings.kv_cache_gib or (_CPU_DEFAULT_KV_GIB if on_cpu else None)
    return {
        "model": str(weights),
        "load_format": settings.load_format,
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "dtype": _cpu_dtype(weights) if on_cpu and settings.dtype == "auto" else settings.dtype,
        "max_model_len": settings.max_tokens,
        "max_num_batched_tokens": settings.max_batch_tokens,
        "max_num_seqs": settings.max_sequences,
        "scheduling_policy": "priority",
        "enable_prefix_caching": True,
        "block_size": settings.block_tokens or (_CPU_BLOCK_TOKENS if on_cpu else None),
        "prefix_caching_hash_algo": settings.block_hash,
        "async_scheduling": settings.async_scheduling,
        "quantization": None if settings.quantization == "none" else settings.quantization,
        "tensor_parallel_size": parallel,
        "kv_cache_memory_bytes": int(kv_gib * 2**30) if kv_gib else None,
        "gpu_memory_utilization": settings.gpu_memory_fraction or _GPU_MEMORY,
        "enforce_eager": on_cpu if settings.eager is None else settings.eager,
        "distributed_executor_backend": _executor(on_cpu=on_cpu, parallel=parallel),
        "disable_log_stats": True,
        "max_logprobs": MAX_TOP_TOKENS,
        "logits_processors": ["trueodds_service.engine.vllm.forced_tokens:ForcedTokens"],
        **_lora_arguments(adapters or {}),
    }


def _cpu_dtype(weights: Path) -> str:
    """vLLM's kernels for quantized weights compute in 16 bits there, most of them in no other."""
    return "float32" if quantized_by(weights) is None else "bfloat16"


def _executor(*, on_cpu: bool, parallel: int) -> str | None:
    if parallel > 1:
        # Processes of the replica's own; vLLM would ask Ray for them where it runs under it.
        return "mp"
    # One process a replica; vLLM would add a second one on a CPU.
    return "uni" if on_cpu else None


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
        "max_lora_rank": next(rank for rank in _LORA_RANKS if rank >= max(ranks)),
    }


def _set_environment(values: Mapping[str, str]) -> None:
    """What vLLM takes from its environment only. The operator's own values win.

    Raises ConfigError where one of them would break the service.
    """
    if os.environ.get(_RUNNER, "0") != "0":
        raise ConfigError(f"{_RUNNER}: has to be 0; other runners do not take forced tokens")
    for name, value in values.items():
        os.environ.setdefault(name, value)
