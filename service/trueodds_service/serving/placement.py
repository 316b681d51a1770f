"""How the models share the GPUs of the nodes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from trueodds_service.config import FakeSettings, ModelSettings, Scaling, VllmSettings
from trueodds_service.errors import ConfigError
from trueodds_service.serving.packing import STEPS, fit, fullest

# How much of its share of a GPU's memory a replica takes; the rest is for CUDA itself and for
# fragmentation.
_MEMORY = 0.9
_ROUNDING = 1e-9

# More gateways than this are seldom busy beside engines.
_MOST_GATEWAYS = 4


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a model wants: GPUs a replica and replicas, None where that is left open."""

    name: str
    gpus: float | None
    least: int | None
    most: int | None


def place(models: Sequence[ModelSettings], nodes: Sequence[int]) -> tuple[ModelSettings, ...]:
    """The models with ``replicas``, ``gpus`` and ``gpu_memory_fraction`` filled in, for nodes of so
    many GPUs each; those that take the most GPUs a replica first, as they have to be deployed.

    Where they are left out, each GPU that no other model asks for has one replica; where there
    are fewer than models, these share them evenly. What all models may have at most has to fit:
    Serve would else give the GPU of a replica that is replaced to another model, and leave its own
    without. Raises ConfigError, by what is missing.
    """
    wishes = [_wish(model.name, model.engine) for model in models]
    _check(wishes, nodes)
    filled = _shared(wishes, nodes) if sum(nodes) else _without(wishes)
    found = {wish.name: wish for wish in filled}
    placed = [_placed(model, found.get(model.name)) for model in models]
    check(placed, nodes)
    return largest_first(placed)


def check(placed: Sequence[ModelSettings], nodes: Sequence[int]) -> None:
    """Raises ConfigError unless models that are placed fit together, with their memory, too."""
    _check([_wish(model.name, model.engine) for model in placed], nodes)
    _check_memory(placed)


def largest_first(placed: Iterable[ModelSettings]) -> tuple[ModelSettings, ...]:
    """In the order in which they have to be deployed."""
    return tuple(sorted(placed, key=_gpus, reverse=True))


def default_gateways(gpus: int) -> int:
    """One a GPU, up to a few: beside small models, one gateway keeps hardly more than one busy."""
    return min(max(gpus, 1), _MOST_GATEWAYS)


def _wish(name: str, engine: VllmSettings | FakeSettings) -> _Wish:
    replicas = engine.replicas
    return _Wish(
        name, engine.gpus, replicas.min if replicas else None, replicas.max if replicas else None
    )


def _check(wishes: Sequence[_Wish], nodes: Sequence[int]) -> None:
    """What is set has to fit: each model alone, and all together."""
    wanted = [wish for wish in wishes if wish.gpus]
    for wish in wanted:
        if not fit([_most(wish)], nodes):
            raise ConfigError(f"model {wish.name}: {_said(wish)}, {_here(nodes)}")
    if not fit(map(_most, wanted), nodes):
        said = [f"{wish.name}: {_said(wish)}" for wish in wanted]
        raise ConfigError(f"models do not fit together ({'; '.join(said)}), {_here(nodes)}")


def _most(wish: _Wish) -> tuple[float, int]:
    return wish.gpus or 0.0, wish.most or wish.least or 1


def _said(wish: _Wish) -> str:
    gpus, replicas = _most(wish)
    return f"{replicas} replica{'s' * (replicas > 1)} of {gpus:g} GPU{'s' * (gpus > 1)}"


def _here(nodes: Sequence[int]) -> str:
    gpus = sum(nodes)
    here = f"{gpus} GPU{'s are' if gpus != 1 else ' is'} here"
    with_some = [str(each) for each in nodes if each]
    return f"{here}, {' and '.join(with_some)} of a node" if len(with_some) > 1 else here


def _check_memory(models: Sequence[ModelSettings]) -> None:
    """No GPU may be asked for more memory than it has, whichever replicas meet there."""
    shares = []
    for model in models:
        engine = model.engine
        if not isinstance(engine, VllmSettings) or not engine.replicas or not engine.gpus:
            continue
        if engine.gpus <= 1 and engine.gpu_memory_fraction is not None:
            shares.append(
                (model.name, engine.gpus, engine.gpu_memory_fraction, engine.replicas.max)
            )
    memory, replicas = fullest(shares)
    if memory > 1 + _ROUNDING:
        said = [f"{count} of {name}" for name, count in replicas.items()]
        raise ConfigError(
            f"models: gpu_memory_fraction: replicas that share a GPU ({', '.join(said)}) may ask "
            f"for {memory:g} of its memory"
        )


def _gpus(model: ModelSettings) -> float:
    return model.engine.gpus or 0.0


def _without(wishes: Sequence[_Wish]) -> list[_Wish]:
    """On a machine without GPUs."""
    return [replace(wish, gpus=0.0, least=wish.least or 1, most=wish.most or 1) for wish in wishes]


def _shared(wishes: Sequence[_Wish], nodes: Sequence[int]) -> list[_Wish]:
    """Fills in what is left open, first GPUs and then replicas."""
    asked = sum(math.prod(_most(wish)) for wish in wishes if wish.gpus)
    open_ = [wish for wish in wishes if wish.gpus is None]
    free = sum(nodes) - math.ceil(asked - _ROUNDING)
    if open_ and free <= 0:
        raise ConfigError("models: the engines that set gpus leave no whole GPU to the others")
    wanted = sum(wish.least or 1 for wish in open_)
    sharing = math.ceil(wanted / free) if open_ else 1
    share = math.floor(STEPS / sharing) / STEPS
    filled = [
        replace(wish, gpus=share if wish.gpus is None else wish.gpus, least=wish.least or 1)
        for wish in wishes
    ]
    return _grown(filled, nodes)


def _grown(wishes: Sequence[_Wish], nodes: Sequence[int]) -> list[_Wish]:
    """Gives what GPUs are left, in turn, to models of whole GPUs whose replicas are open."""
    counts = {wish.name: _most(wish)[1] for wish in wishes}

    def has_room_for_another(taker: _Wish) -> bool:
        wanted = [(wish.gpus or 0.0, counts[wish.name] + (wish is taker)) for wish in wishes]
        return fit(wanted, nodes)

    growing = [wish for wish in wishes if wish.most is None and (wish.gpus or 0.0) >= 1]
    while growing:
        taker = min(growing, key=lambda each: counts[each.name])
        if has_room_for_another(taker):
            counts[taker.name] += 1
        else:
            growing.remove(taker)
    return [
        replace(wish, least=wish.least if wish.most else counts[wish.name], most=counts[wish.name])
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
