"""Several processes of a small model on a GPU: one's Python does not keep the GPU busy."""

import math
from collections.abc import Iterable, Iterator, Sequence

from trueodds_service.config import ModelSettings, Scaling, VllmSettings
from trueodds_service.errors import ConfigError
from trueodds_service.serving.capacity import Capacity
from trueodds_service.serving.packing import STEPS
from trueodds_service.serving.placement import check, largest_first

# As many as have a tenth of the GPU with their weights, and not more than four: on an H200 four of
# a 1B answer 1.9 times as much as one, several of an 8B no more than one (benchmarks/NOTES.md).
_WEIGHTS = 0.1
_MOST = 4
# One prepares the steps, and one computes them.
_CORES = 2
# What a process takes beside weights and KV cache: CUDA itself, its graphs, a step's numbers.
_OTHER_BYTES = 4 * 2**30
_ROUNDING = 1e-9


def split(
    asked: Iterable[ModelSettings],
    placed: Sequence[ModelSettings],
    nodes: Sequence[int],
    capacity: Capacity,
) -> tuple[ModelSettings, ...]:
    """``placed`` with several processes of the models that are small and whose ``asked`` settings
    leave ``gpus``, ``replicas`` and ``gpu_memory_fraction`` open, and with the KV cache of all that
    share a GPU, the largest replicas first. ``nodes`` are their GPUs.

    vLLM would find out what is left for the cache, and count what others load meanwhile as its own.
    """
    found = {model.name: model for model in placed}
    for name in [model.name for model in asked if _is_open(model)]:
        divided = found | {name: _divided(found[name], capacity)}
        try:
            check([*divided.values()], nodes)
        except ConfigError:  # beside a model that asks for more memory than its share
            continue
        found = divided
    return largest_first(_with_cache(model, capacity) for model in found.values())


def concerned(
    asked: Iterable[ModelSettings], placed: Iterable[ModelSettings]
) -> list[ModelSettings]:
    """Those whose size ``split`` wants to know: they may share a GPU."""
    open_ = {model.name for model in asked if _is_open(model)}
    return [
        model
        for model in placed
        if isinstance(model.engine, VllmSettings)
        and model.engine.gpus
        and (model.name in open_ or model.engine.gpus < 1)
    ]


def told(models: Iterable[ModelSettings], capacity: Capacity) -> Iterator[str]:
    """A line about each: what it was given, and by what."""
    for model in models:
        engine = model.engine
        replicas, gpus = engine.replicas.max if engine.replicas else 1, engine.gpus or 0.0
        size = capacity.sizes.get(model.name)
        by = "its size, or that of the GPUs, is not known"
        if size is not None and capacity.gpu_bytes:
            by = (
                f"weights of {_gib(size.weights)}, GPUs of {_gib(capacity.gpu_bytes)}, "
                f"{capacity.cores:g} cores for each"
            )
        yield f"{model.name}: {replicas} × {gpus:g} GPU ({by})"


def _gib(number: float) -> str:
    return f"{number / 2**30:.1f} GiB"


def _is_open(model: ModelSettings) -> bool:
    engine = model.engine
    return isinstance(engine, VllmSettings) and not (
        {"gpus", "replicas", "gpu_memory_fraction"} & engine.model_dump(exclude_none=True).keys()
    )


def _divided(model: ModelSettings, capacity: Capacity) -> ModelSettings:
    engine = model.engine
    size = capacity.sizes.get(model.name)
    if not isinstance(engine, VllmSettings) or size is None or not engine.replicas:
        return model
    gpus, memory = engine.gpus or 0.0, engine.gpu_memory_fraction or 0.0
    of_gpu = min(_MOST, _WEIGHTS * capacity.gpu_bytes / size.weights, capacity.cores / _CORES)
    cache = engine.kv_cache_gib * 2**30 if engine.kv_cache_gib else size.context
    room = memory * capacity.gpu_bytes / (size.weights + cache + _OTHER_BYTES)
    processes = math.floor(min(gpus * of_gpu + _ROUNDING, room))
    if processes <= 1:
        return model
    replicas = engine.replicas.min * processes
    return _updated(
        model,
        gpus=math.floor(gpus * STEPS / processes) / STEPS,
        gpu_memory_fraction=memory / processes,
        replicas=Scaling(min=replicas, max=replicas),
    )


def _with_cache(model: ModelSettings, capacity: Capacity) -> ModelSettings:
    engine = model.engine
    size = capacity.sizes.get(model.name)
    if not isinstance(engine, VllmSettings) or size is None or engine.kv_cache_gib:
        return model
    if not engine.gpus or engine.gpus >= 1:
        return model
    share = (engine.gpu_memory_fraction or 0.0) * capacity.gpu_bytes
    left = share - size.weights - _OTHER_BYTES
    return _updated(model, kv_cache_gib=left / 2**30) if left >= size.context else model


def _updated(model: ModelSettings, **settings: object) -> ModelSettings:
    return model.model_copy(update={"engine": model.engine.model_copy(update=settings)})
