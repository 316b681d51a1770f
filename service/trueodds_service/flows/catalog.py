"""The models that this process can answer for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trueodds_service.engine.base import Engine, EngineInfo
from trueodds_service.errors import NotFound, Unavailable
from trueodds_service.prompts.tokenizer import PromptTokenizer


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model whose engine answers."""

    tokenizer: PromptTokenizer
    engine: Engine
    info: EngineInfo
    max_prompt_tokens: int


@dataclass(slots=True)
class ModelEntry:
    """A model of the configuration. ``served`` is None while its engine starts.

    ``base`` is the model over whose weights an adapter runs.
    """

    name: str
    revision: str
    tokenizer_revision: str
    teacher: str | None
    base: str | None = None
    served: ServedModel | None = None

    def ready(self) -> ServedModel:
        """Raises Unavailable while the engine starts."""
        if self.served is None:
            raise Unavailable(
                f"models/{self.name} is starting", reason="MODEL_STARTING", retry_seconds=2.0
            )
        return self.served


class Catalog:
    """The configured models, by name."""

    def __init__(self, entries: Mapping[str, ModelEntry]) -> None:
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    def find(self, name: str) -> ModelEntry:
        """Raises NotFound."""
        entry = self._entries.get(name)
        if entry is None:
            raise NotFound(f"there is no models/{name}", reason="MODEL_NOT_FOUND")
        return entry
