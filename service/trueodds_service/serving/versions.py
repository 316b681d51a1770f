"""What a rollout replaces: the deployments whose version differs from the running one."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ray import serve

from trueodds_service.config import ModelSettings, Settings
from trueodds_service.revision.identity import Identity

# An engine does not know how many replicas of it there are, what it is compared with, nor when its
# answers are refused.
_NOT_OF_ENGINE: dict[str, Any] = {"teacher": True, "decisions": True, "engine": {"replicas"}}


def versioned(deployment: serve.Deployment, version: str) -> serve.Deployment:
    """The deployment, whose replicas Serve lets live as long as its version is the same.

    Left to itself, Serve replaces all replicas at every deployment.
    """
    return deployment.options(version=version, _internal=True)


def of_engine(model: ModelSettings, adapters: Iterable[ModelSettings]) -> str:
    """Another one whenever an engine would be another one: by its settings and files, or those of
    its adapters.
    """
    settings = model.model_dump(mode="json", exclude=_NOT_OF_ENGINE)
    names = {each.name: str(each.adapter) for each in adapters}
    return _hash([settings, names], _folders([model, *adapters]))


def of_gateway(settings: Settings) -> str:
    """Another one whenever any setting, or a file of any model, is."""
    return _hash([settings.model_dump(mode="json")], _folders(settings.models))


def _folders(models: Iterable[ModelSettings]) -> set[Path]:
    named = [folder for model in models for folder in (model.weights, model.adapter)]
    return {folder for folder in named if folder is not None}


def _hash(settings: list[Any], folders: Iterable[Path]) -> str:
    files = [each for folder in sorted(folders) for each in _files(folder)]
    return hashlib.sha256(json.dumps([settings, files], sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The files of a folder, and their states; none where only other nodes have it."""
    for path in sorted(folder.glob("*")):
        if path.is_file():
            yield str(path), Identity.of(path)
