"""How the models of one machine share its GPUs."""

import math
from collections.abc import Sequence

from trueodds_service.config import ModelSettings, VllmSettings
from trueodds_service.errors import ConfigError

# Of an engine's share of a GPU's memory; the rest is for CUDA itself and for fragmentation.
_MEMORY = 0.9

# Ray counts resources in steps of this size, and rounds to the nearest.
_STEPS = 10_000


def place(models: Sequence[ModelSettings], gpus: int) -> tuple[ModelSettings, ...]:
    """The models with ``gpus`` and ``gpu_memory_fraction`` filled in where they are left out.

    They get a GPU each while there are enough, and else equal shares of one. Raises ConfigError
    when the models want more than the machine has.
    """
    asked = [model.engine.gpus for model in models if isinstance(model.engine, VllmSettings)]
    wanted = sum(each for each in asked if each is not None)
    free = math.floor(gpus - wanted)
    if wanted > gpus:
        raise ConfigError(f"models: their engines ask for {wanted:g} GPUs, and {gpus} are here")
    unset = asked.count(None)
    if gpus and unset and not free:
        raise ConfigError("models: the engines that set gpus leave no whole GPU to the others")
    sharing = math.ceil(unset / free) if free else 0
    share = math.floor(_STEPS / sharing) / _STEPS if sharing else 0.0
    return tuple(_placed(model, share) for model in models)


def _placed(model: ModelSettings, share: float) -> ModelSettings:
    """A model's share, evenly among its processes."""
    engine = model.engine
    if not isinstance(engine, VllmSettings):
        return model
    gpus = share if engine.gpus is None else engine.gpus
    fraction = engine.gpu_memory_fraction or _MEMORY * (gpus or 1.0)
    if engine.processes > 1:
        gpus = math.floor(_STEPS * gpus / engine.processes) / _STEPS
    update = {"gpus": gpus, "gpu_memory_fraction": fraction / engine.processes}
    return model.model_copy(update={"engine": engine.model_copy(update=update)})
