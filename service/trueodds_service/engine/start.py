"""The engine that a model's settings ask for."""

from collections.abc import Mapping
from pathlib import Path

from trueodds_service.config import FakeSettings, ModelSettings
from trueodds_service.engine.base import LocalEngine
from trueodds_service.engine.fake import FakeEngine


def start_engine(model: ModelSettings, adapters: Mapping[str, Path] | None = None) -> LocalEngine:
    """Loads the engine of a model and its adapters, folders by name; blocks until it answers.

    vLLM has to be started inside the event loop that will use it.
    """
    if isinstance(model.engine, FakeSettings):
        settings = model.engine
        return FakeEngine(
            seed=settings.seed,
            sharpness=settings.sharpness,
            max_tokens=settings.max_tokens,
            vocabulary=settings.vocabulary,
            seconds=settings.seconds,
        )
    # Its libraries take seconds to load.
    from trueodds_service.engine.vllm.engine import VllmEngine  # noqa: PLC0415

    return VllmEngine.start(model.weights, model.engine, adapters or {})
