"""How the models share the GPUs that are here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trueodds_service.config import ModelSettings, Scaling, VllmSettings
from trueodds_service.errors import ConfigError
from trueodds_service.serving.packing import STEPS, fit

# Of a replica's share of a GPU's memory; the rest is for CUDA itself and for fragmentation.
_MEMORY = 0.9

# More gateways than this are seldom busy beside engines.
_MOST_GATEWAYS = 4


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a model wants: GPUs a replica and replicas, None where that is left open."""

    name: str
    gpus: float | None
    least: int | None
    most: int | None


def place(models: Sequence[ModelSettings], gpus: int) -> tuple[ModelSettings, ...]:
    """The models with ``replicas``, ``gpus`` and ``gpu_memory_fraction`` filled in.

    Where they are left out, each GPU that no other model asks for has one replica; where there
    are fewer than models, these share them evenly. Raises ConfigError, by what is missing.
    """
    wishes = [
        _wish(model.name, model.engine)
        for model in models
        if isinstance(model.engine, VllmSettings)
    ]
    _check_each(wishes, gpus)
    filled = _shared(wishes, gpus) if gpus else _without(wishes)
    _check_each(filled, gpus)
    found = {wish.name: wish for wish in filled}
    return tuple(_placed(model, found.get(model.name)) for model in models)


def default_gateways(gpus: int) -> int:
    """One a GPU, up to a few: beside small models, one gateway keeps hardly more than one busy."""
    return min(max(gpus, 1), _MOST_GATEWAYS)


def _wish(name: str, engine: VllmSettings) -> _Wish:
    replicas = engine.replicas
    return _Wish(
        name, engine.gpus, replicas.min if replicas else None, replicas.max if replicas else None
    )


def _check_each(wishes: Sequence[_Wish], gpus: int) -> None:
    """What is set has to fit beside the least of all others."""
    least = [(wish.gpus or 0.0, wish.least or 1) for wish in wishes]
    for place_, wish in enumerate(wishes):
        if not wish.gpus:
            continue
        most = wish.most or 1
        if not fit([(wish.gpus, most)], gpus):
            raise ConfigError(f"model {wish.name}: {_said(most, wish.gpus)}, {_here(gpus)}")
        others = least[:place_] + least[place_ + 1 :]
        if not fit([*others, (wish.gpus, most)], gpus):
            raise ConfigError(
                f"model {wish.name}: {_said(most, wish.gpus)}, {_here(gpus)}, "
                "and other models ask for theirs"
            )


def _said(replicas: int, gpus: float) -> str:
    return f"{replicas} replica{'s' * (replicas > 1)} of {gpus:g} GPU{'s' * (gpus > 1)}"


def _here(gpus: int) -> str:
    return f"{gpus} GPU{'s are' if gpus != 1 else ' is'} here"


def _without(wishes: Sequence[_Wish]) -> list[_Wish]:
    """On a machine without GPUs."""
    return [replace(wish, gpus=0.0, least=wish.least or 1, most=wish.most or 1) for wish in wishes]


def _shared(wishes: Sequence[_Wish], gpus: int) -> list[_Wish]:
    """Fills in what is left open, first GPUs and then replicas."""
    asked = sum(wish.gpus * (wish.least or 1) for wish in wishes if wish.gpus)
    taken = math.ceil(asked - 1e-9)
    open_ = [wish for wish in wishes if wish.gpus is None]
    free = gpus - taken
    if open_ and free <= 0:
        raise ConfigError("models: the engines that set gpus leave no whole GPU to the others")
    wanted = sum(wish.least or 1 for wish in open_)
    sharing = math.ceil(wanted / free) if open_ else 1
    share = math.floor(STEPS / sharing) / STEPS
    filled = [
        replace(wish, gpus=share if wish.gpus is None else wish.gpus, least=wish.least or 1)
        for wish in wishes
    ]
    reserved = sum((wish.gpus or 0.0) * (wish.most or wish.least or 1) for wish in filled)
    return _grown(filled, math.floor(gpus - reserved + 1e-9))


def _grown(wishes: Sequence[_Wish], left: int) -> list[_Wish]:
    """Gives what GPUs are left, in turn, to models of whole GPUs whose replicas are open."""
    counts = {wish.name: wish.least or 1 for wish in wishes}
    growing = [wish for wish in wishes if wish.most is None and (wish.gpus or 0.0) >= 1]
    while taker := next(
        (
            wish
            for wish in sorted(growing, key=lambda each: counts[each.name])
            if (wish.gpus or 0.0) <= left
        ),
        None,
    ):
        counts[taker.name] += 1
        left -= math.ceil(taker.gpus or 1)
    return [
        replace(wish, least=counts[wish.name], most=wish.most or counts[wish.name])
        for wish in wishes
    ]


def _placed(model: ModelSettings, wish: _Wish | None) -> ModelSettings:
    engine = model.engine
    if wish is None or not isinstance(engine, VllmSettings):
        return model
    if engine.quantization != "none" and not wish.gpus:
        raise ConfigError(f"model {model.name}: quantization {engine.quantization} needs a GPU")
    update = {
        "gpus": wish.gpus,
        "replicas": Scaling(min=wish.least or 1, max=wish.most or 1),
        "gpu_memory_fraction": engine.gpu_memory_fraction or _MEMORY * min(wish.gpus or 1.0, 1.0),
    }
    return model.model_copy(update={"engine": engine.model_copy(update=update)})
