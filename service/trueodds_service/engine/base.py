"""What the service asks of an engine: logprobs of given tokens at one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """A prompt in tokens, and where its answer is read.

    ``identifier`` is the format identifier's token, forced after the prompt before the options
    are read, or None where the options follow at once. ``options`` are distinct token ids, one
    an option.
    """

    prompt: tuple[int, ...]
    options: tuple[int, ...]
    identifier: int | None = None

    @property
    def length(self) -> int:
        """Tokens that the engine reads: the prompt and the identifier."""
        return len(self.prompt) + (self.identifier is not None)


@dataclass(frozen=True, slots=True)
class TokenScore:
    """Raw logprobs over the whole vocabulary, in nats.

    ``options`` has shape (k,): ln p(option | prompt, identifier). ``identifier`` is
    ln p(identifier | prompt), None where the prompt has none.
    """

    options: NDArray[np.float64]
    identifier: float | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What answers: the engine's name and version, its number format and its context."""

    name: str
    version: str
    dtype: str
    max_tokens: int


class Engine(Protocol):
    """Reads logprobs of one model. Safe to call concurrently."""

    @property
    def info(self) -> EngineInfo: ...

    async def score(self, prompts: Sequence[TokenPrompt]) -> list[TokenScore]:
        """The scores of ``prompts``, in their order.

        Cancelling the call takes its prompts out of the engine. Raises EngineDied when the
        engine cannot answer any more.
        """
        ...

    def close(self) -> None:
        """Stops the engine and every process that it started."""
        ...


class EngineDied(Exception):
    """The engine stopped for good; its replica has to be replaced."""
