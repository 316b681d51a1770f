"""A deterministic engine without a model: the same tokens always get the same logprobs."""

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from trueodds_service.engine.base import (
    EngineDied,
    EngineInfo,
    Outcome,
    TokenPrompt,
    Tokens,
    TokenScore,
    Usage,
)

# More than the tokenizers of the tests have; what goes beyond is folded back.
_VOCABULARY = 4096


class FakeEngine:
    """Draws the logits of every token from a hash of the tokens before it.

    What a continuation gets does not depend on what else is asked, and sums over its tokens, as
    in a real model. ``sharpness`` multiplies the logits: two fakes that differ in nothing else
    are an aligned model and its teacher, with that ratio as the temperature between them.
    With a ``vocabulary`` it dies of any token beyond, as a real model does; else it takes all.
    Each call takes ``seconds`` at least.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        sharpness: float = 1.0,
        max_tokens: int = 2048,
        vocabulary: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._seed = seed
        self._sharpness = sharpness
        self._seconds = seconds
        self.usage = Usage()
        self.info = EngineInfo(
            name="fake",
            version="1",
            dtype="float64",
            max_tokens=max_tokens,
            vocabulary=vocabulary,
        )

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[Outcome]:
        """An adapter changes nothing, as if it were untrained."""
        scores: list[Outcome] = [self._score(prompt) for prompt in prompts]
        self.usage.prompts += len(prompts)
        self.usage.prompt_tokens += sum(prompt.length for prompt in prompts)
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return scores

    def check_room(self, prompts: int) -> None:
        """It has room for any number."""

    async def check(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _score(self, prompt: TokenPrompt) -> TokenScore:
        rows = self.info.vocabulary
        tokens = chain(prompt.prompt, prompt.identifier, *prompt.continuations)
        if rows is not None and max(tokens) >= rows:
            raise EngineDied("a token has no row in the embedding")
        # Options share their beginnings: each step is drawn once.
        steps: dict[Tokens, NDArray[np.float64]] = {}

        def read(before: Tokens, tokens: Tokens) -> tuple[float, bool]:
            total, greedy = 0.0, True
            for place, token in enumerate(tokens):
                context = before + tokens[:place]
                if context not in steps:
                    steps[context] = self._step(context)
                total += float(steps[context][token % _VOCABULARY])
                greedy &= bool(token % _VOCABULARY == steps[context].argmax())
            return total, greedy

        read_at = prompt.prompt + prompt.identifier
        totals, greedy = zip(*(read(read_at, each) for each in prompt.continuations), strict=True)
        top: tuple[tuple[int, float], ...] = ()
        if prompt.top_tokens:
            step = steps[read_at]
            likeliest = np.argsort(-step)[: prompt.top_tokens]
            top = tuple((int(token), float(step[token])) for token in likeliest)
        identifier, _ = read(prompt.prompt, prompt.identifier)
        return TokenScore(totals, greedy, identifier, top)

    def _step(self, context: Tokens) -> NDArray[np.float64]:
        """ln p(token | context) of every token, shape (vocabulary,)."""
        words = np.asarray([self._seed, *context], dtype=np.int64)
        digest = hashlib.blake2b(words.tobytes(), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest, "big"))
        logits = self._sharpness * rng.normal(size=_VOCABULARY)
        logprobs: NDArray[np.float64] = logits - np.logaddexp.reduce(logits)
        return logprobs
