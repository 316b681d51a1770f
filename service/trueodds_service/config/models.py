"""Models."""

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from trueodds_service.config.engines import FakeSettings, VllmSettings
from trueodds_service.config.flows import ModelDecisionSettings
from trueodds_service.config.section import Section

MODEL_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
MOST_CASCADED = 8
"""How many models a cascade may have."""


class ModelSettings(Section):
    """One model and the engine that serves it, or a LoRA adapter in the engine of its base."""

    name: str
    """What callers call it: lower-case letters, digits, '.', '_' and '-'."""
    weights: Path
    """The model's folder, relative to the configuration file, or its name on the Hugging Face hub,
    ORG/NAME@REVISION, to be fetched into the cache of each machine. An adapter has its base's."""
    adapter: Path | None = None
    """The folder of a LoRA adapter, as peft saves it."""
    base: str | None = None
    """The model that the adapter is for, by name; they share an engine."""
    teacher: str | None = None
    """The pre-trained counterpart, by name: the teacher of method TEACHER_KL."""
    price: float | None = Field(default=None, ge=1e-30, le=1e30)
    """What a token costs that its engine computes, in a unit that all models share: all have a
    price, or none has. Costs of answers and of cascades are told by it."""
    decisions: ModelDecisionSettings = ModelDecisionSettings()
    """What holds for its decisions, in the place of the service's ``decisions``."""
    engine: Annotated[VllmSettings | FakeSettings, Field(discriminator="backend")] = VllmSettings()
    """vLLM unless ``backend`` says otherwise."""

    @field_validator("engine", mode="before")
    @classmethod
    def _default_backend(cls, engine: Any) -> Any:
        return {"backend": "vllm", **engine} if isinstance(engine, dict) else engine

    @property
    def quantization(self) -> str:
        """What its weights go through when they are loaded."""
        return self.engine.quantization if isinstance(self.engine, VllmSettings) else "none"

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_name(self.name)
        if self.teacher == self.name:
            raise ValueError(f"teacher: {self.name!r} cannot teach itself")
        return self


class CascadeSettings(Section):
    """A name under which models answer in turn: each where it is sure enough, the last the rest."""

    name: str
    """What callers call it, as a model."""
    models: tuple[str, ...] = Field(min_length=2, max_length=MOST_CASCADED)
    """By their names, in the order that they are asked in: the first is asked everything."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_name(self.name)
        for name in self.models:
            if self.models.count(name) > 1:
                raise ValueError(f"models: {name!r} is named twice")
        return self


def _check_name(name: str) -> None:
    if not MODEL_NAME.fullmatch(name):
        raise ValueError(f"name: {name!r} has to match {MODEL_NAME.pattern}")
