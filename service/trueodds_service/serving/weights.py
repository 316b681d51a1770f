"""The models' weights before anything starts: where they are from the hub, fetched; and read."""

import time
from pathlib import Path

from trueodds_service import hub
from trueodds_service.config import ModelSettings, Settings
from trueodds_service.revision import model_revision

# Between two lines about a model's weights, and before the first.
_TELL_SECONDS = 5.0


def pinned(settings: Settings) -> Settings:
    """The same with the commits of the models that are on the hub: what a branch is now.

    Raises ConfigError where one is not there.
    """
    return settings.model_copy(update={"models": tuple(map(_pinned, settings.models))})


def at_hand(model: ModelSettings) -> ModelSettings:
    """The same with a folder of this machine: what is on the hub is fetched. Raises ConfigError."""
    name = hub.hub_name(model.weights)
    if name is None:
        return model
    return model.model_copy(
        update={"weights": hub.fetch(name, WeightsProgress(model.name, "fetching"))}
    )


def all_at_hand(settings: Settings) -> Settings:
    """The same for all models. Raises ConfigError."""
    return settings.model_copy(update={"models": tuple(map(at_hand, settings.models))})


def read_weights(settings: Settings) -> None:
    """Takes minutes for large weights that were never read here, and tells how far it is.

    Raises ConfigError where they cannot be read.
    """
    for model in all_at_hand(settings).models:
        model_revision(model.weights, model.adapter, WeightsProgress(model.name, "reading"))


def _pinned(model: ModelSettings) -> ModelSettings:
    name = hub.hub_name(model.weights)
    if name is None:
        return model
    return model.model_copy(update={"weights": Path(str(hub.pin(name)))})


class WeightsProgress:
    """Prints how much of a model's weights is here, every few seconds: most are at once."""

    def __init__(self, name: str, doing: str) -> None:
        self._name = name
        self._doing = doing
        self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            sizes = f"{done / 2**30:.1f} of {total / 2**30:.1f} GiB"
            print(f"{self._name}: {self._doing} its weights, {sizes}", flush=True)
