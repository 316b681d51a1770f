"""The models' folders on each node of a cluster, before anything starts there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from trueodds_service import hub
from trueodds_service.config import ModelSettings
from trueodds_service.errors import ConfigError, class_and_place
from trueodds_service.revision.model import check_weights
from trueodds_service.serving import nodes

# Of each node, by its address, what is wrong with the folders there.
Asks = Callable[[list[Path]], Mapping[str, list[str]]]


def check(models: Iterable[ModelSettings], ask: Asks | None = None) -> None:
    """Raises ConfigError unless each node has every folder: a gateway reads all, an engine its own.

    What is on the hub each node fetches by itself. ``ask`` asks Ray's nodes unless told.
    """
    folders = list(dict.fromkeys(_folders(models)))
    found = (ask or _ask_nodes)(folders)
    wrong = [f"node {node}: {each}" for node, all_of in sorted(found.items()) for each in all_of]
    if wrong:
        raise ConfigError("\n  ".join(["weights have to be on each node", *wrong]))


def _folders(models: Iterable[ModelSettings]) -> Iterator[Path]:
    for model in models:
        if hub.hub_name(model.weights) is None:
            yield model.weights
        if model.adapter is not None:
            yield model.adapter


def wrong(folders: Iterable[Path]) -> list[str]:
    """What is wrong with folders of this machine."""
    found = []
    for folder in folders:
        try:
            check_weights(folder)
        except ConfigError as error:
            found.append(error.message)
    return found


def _ask_nodes(folders: list[Path]) -> Mapping[str, list[str]]:
    return {node: _said(told) for node, told in nodes.ask_each(wrong, folders).items()}


def _said(told: list[str] | Exception) -> list[str]:
    if isinstance(told, nodes.NoAnswer):
        return [str(told)]
    if isinstance(told, Exception):
        return [f"cannot look ({class_and_place(told)})"]
    return told
