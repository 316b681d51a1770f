"""The models' folders on each node of a cluster, before anything starts there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trueodds_service import hub
from trueodds_service.config import ModelSettings
from trueodds_service.errors import ConfigError, class_and_place
from trueodds_service.revision import check_weights, model_revision
from trueodds_service.serving import nodes

# How long all nodes together may take: large weights are read whole where they never were.
_READ_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Found:
    """On one node: what is wrong, or, where nothing is, the models' revisions by name."""

    wrong: Sequence[str] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)


Asks = Callable[[Sequence[ModelSettings]], Mapping[str, Found]]
"""What each node finds, by its address."""


def check(models: Iterable[ModelSettings], ask: Asks | None = None) -> None:
    """Raises ConfigError unless each node has every folder, with the same content: a gateway reads
    all, an engine its own.

    What is on the hub each node fetches by itself. ``ask`` asks Ray's nodes unless told.
    """
    models = [*models]
    found = dict(sorted((ask or _ask_nodes)(models).items()))
    wrong = [f"node {node}: {each}" for node, told in found.items() for each in told.wrong]
    if wrong:
        raise ConfigError("\n  ".join(["weights have to be on each node", *wrong]))
    if differing := [*_differing([model.name for model in models], found)]:
        raise ConfigError("\n  ".join(["weights have to be the same on each node", *differing]))


def wrong(folders: Iterable[Path]) -> list[str]:
    """What is wrong with folders of this machine."""
    found = []
    for folder in folders:
        try:
            check_weights(folder)
        except ConfigError as error:
            found.append(error.message)
    return found


def look(models: Iterable[ModelSettings]) -> Found:
    """At the folders of this machine; takes minutes for large weights that were never read here."""
    models = [*models]
    if missing := wrong(dict.fromkeys(folder for model in models for folder in _folders(model))):
        return Found(missing)
    try:
        return Found(
            revisions={
                model.name: model_revision(model.weights, model.adapter)
                for model in models
                if hub.hub_name(model.weights) is None
            }
        )
    except ConfigError as error:
        return Found([error.message])


def _folders(model: ModelSettings) -> Iterator[Path]:
    if hub.hub_name(model.weights) is None:
        yield model.weights
    if model.adapter is not None:
        yield model.adapter


def _differing(names: Iterable[str], found: Mapping[str, Found]) -> Iterator[str]:
    for name in names:
        told = {node: each.revisions.get(name, "") for node, each in found.items()}
        if len(set(told.values())) > 1:
            yield f"model {name}: " + ", ".join(f"node {node} has {told[node]}" for node in told)


def _ask_nodes(models: Sequence[ModelSettings]) -> Mapping[str, Found]:
    told = nodes.ask_each(look, models, seconds=_READ_SECONDS)
    return {node: _found(each) for node, each in told.items()}


def _found(told: Found | Exception) -> Found:
    if isinstance(told, nodes.NoAnswer):
        return Found([str(told)])
    if isinstance(told, Exception):
        return Found([f"cannot look ({class_and_place(told)})"])
    return told
