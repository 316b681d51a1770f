"""The models' weights read before anything starts: the gateways need what they are."""

import time

from trueodds_service.config import Settings
from trueodds_service.revision import model_revision

# Between two lines about a model's weights, and before the first.
_TELL_SECONDS = 5.0


def read_weights(settings: Settings) -> None:
    """Takes minutes for large weights that were never read here, and tells how far it is.

    Raises ConfigError where they cannot be read.
    """
    for model in settings.models:
        model_revision(model.weights, model.adapter, Progress(model.name))


class Progress:
    """Prints how much of a model's weights is read, every few seconds: most are known at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = time.monotonic()

    def __call__(self, read: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            done = f"{read / 2**30:.1f} of {total / 2**30:.1f} GiB"
            print(f"{self._name}: reading its weights, {done}", flush=True)
