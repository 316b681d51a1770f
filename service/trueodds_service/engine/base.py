"""What the service asks of an engine: log-likelihoods of token sequences after a prompt."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from trueodds_service.errors import PromptFault

Tokens: TypeAlias = tuple[int, ...]


class TokenPrompt(msgspec.Struct, frozen=True, array_like=True):
    """A prompt in tokens, and what is read after it. The link sends it as it is.

    ``continuations`` are distinct token sequences of at least one token each, of any number and
    mix of lengths. ``identifier`` holds the format identifier's tokens, which stand between the
    prompt and every continuation; empty where the continuations follow at once.
    ``top_tokens`` is how many of the likeliest tokens at the place of the continuations' first
    token are wanted, at most ``MAX_TOP_TOKENS``.
    """

    prompt: Tokens
    continuations: tuple[Tokens, ...]
    identifier: Tokens = ()
    top_tokens: int = 0

    @property
    def length(self) -> int:
        """Tokens of the prompt and the identifier."""
        return len(self.prompt) + len(self.identifier)

    @property
    def total_length(self) -> int:
        """Tokens that the engine has to have room for, the longest continuation included."""
        return self.length + max(map(len, self.continuations))

    def after(self, prompt: Tokens) -> "TokenPrompt":
        """The same continuations after another prompt."""
        return TokenPrompt(prompt, self.continuations, self.identifier, self.top_tokens)

    def telling(self, top_tokens: int) -> "TokenPrompt":
        """The same prompt, whose score is to have this many of the likeliest tokens."""
        return TokenPrompt(self.prompt, self.continuations, self.identifier, top_tokens)


class TokenScore(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Raw logprobs over the whole vocabulary, in nats. The link sends it as it is, and no numbers
    but Python's own.

    ``continuations`` has one a continuation: the sum over its tokens of ln p(token | all before
    it), the first one after prompt and identifier. ``greedy``, one each too, is whether greedy
    decoding would write these tokens: each is the likeliest at its place, and of equals the one
    taken. ``identifier`` is ln p(identifier | prompt), the same sum over the identifier's tokens; 0
    where it has none. ``top_tokens`` are token ids and their logprobs, the likeliest first.
    ``cached_tokens`` are how many of the prompt's were in the engine's cache when it was first
    asked for its first tokens; 0 where the engine does not tell.
    """

    continuations: tuple[float, ...]
    greedy: tuple[bool, ...]
    identifier: float = 0.0
    top_tokens: tuple[tuple[int, float], ...] = ()
    cached_tokens: int = 0


Outcome: TypeAlias = TokenScore | PromptFault
"""What becomes of a prompt."""

Score: TypeAlias = Callable[[Sequence[TokenPrompt], str | None], Awaitable[list[Outcome]]]
"""An engine's ``score``."""

MAX_TOP_TOKENS = 20


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What answers: the engine's name and version, its number format and its context.

    ``vocabulary`` is how many rows the embedding of the weights has: a token beyond it kills the
    engine. None for an engine that takes any token.
    """

    name: str
    version: str
    dtype: str
    max_tokens: int
    vocabulary: int | None = None


class Engine(Protocol):
    """Reads logprobs of one model and of its adapters. Safe to call concurrently."""

    @property
    def info(self) -> EngineInfo: ...

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[Outcome]:
        """The scores of ``prompts``, in their order, with an adapter of the model or without.

        One prompt's error stands in its place, and does not affect the others. Cancelling the call
        takes its prompts out of the engine. Raises EngineDied when the engine cannot answer any
        more.
        """
        ...

    def check_room(self, prompts: int) -> None:
        """Raises Overloaded if so many prompts would be refused, as far as is known now.

        Before prompts are made, the number of questions will do. Raises Expired after the deadline.
        """
        ...

    async def check(self) -> None:
        """Returns once the engine has ended the step that it is at, if any."""
        ...

    def close(self) -> None:
        """Stops the engine and every process that it started."""
        ...


@dataclass(slots=True)
class Usage:
    """Counts since the engine began: prompts, failed prompts, prompt tokens, and those of them
    found in the prefix cache.
    """

    prompts: int = 0
    faults: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


class LocalEngine(Engine, Protocol):
    """An engine of this process, which counts."""

    @property
    def usage(self) -> Usage: ...


class EngineDied(Exception):
    """The engine stopped for good; its replica has to be replaced."""
