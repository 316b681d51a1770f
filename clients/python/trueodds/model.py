"""The models that a service has."""

from dataclasses import dataclass
from enum import Enum


class ModelState(Enum):
    """Whether a model answers, and if not, whether it will."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"
    """Its engine was lost, and is being replaced."""
    FAILED = "failed"
    """It cannot come up as it is configured."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the service has; ``ready`` once its engine answers.

    ``state_cause`` is why it is not ready, where there is more to say than ``state``.
    ``max_prompt_tokens`` is 0 until then. ``base`` is the model over whose weights an adapter
    runs. ``max_items`` bounds a message's questions; batches of questions are cut to it by the
    client. ``prefix_token_id`` is the token before a text that has nothing before it, None where
    the tokenizer has none. ``calibration_stale_seconds`` is how long ago the service last knew
    which calibrators are active, while its store is away; else 0. ``cascade`` are the models that
    answer under this name, in their order; empty unless it is that of a cascade.
    """

    name: str
    ready: bool
    revision: str
    teacher: str | None
    base: str | None
    tokenizer_revision: str
    max_prompt_tokens: int
    max_options: int
    max_items: int
    engine: str
    dtype: str
    prefix_token_id: int | None = None
    state: ModelState = ModelState.STARTING
    state_cause: str = ""
    calibration_stale_seconds: float = 0.0
    cascade: tuple[str, ...] = ()
