"""A deterministic engine without a model: the same tokens always get the same logprobs."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore


class FakeEngine:
    """Draws logits from a hash of the prompt.

    The logprobs are normalised over a vocabulary in which the tokens that were not asked for
    hold a tenth of the mass, so option mass and format probability lie below one, as they do in
    a real model. ``sharpness`` multiplies the logits: two fakes that differ in nothing else are
    an aligned model and its teacher, with that ratio as the temperature between them.
    """

    def __init__(self, *, seed: int = 0, sharpness: float = 1.0, max_tokens: int = 2048) -> None:
        self._seed = seed
        self._sharpness = sharpness
        self.info = EngineInfo(name="fake", version="1", dtype="float64", max_tokens=max_tokens)

    async def score(self, prompts: Sequence[TokenPrompt]) -> list[TokenScore]:
        return [self._score(prompt) for prompt in prompts]

    def close(self) -> None:
        pass

    def _score(self, prompt: TokenPrompt) -> TokenScore:
        words = np.asarray([self._seed, *prompt.prompt], dtype=np.int64)
        digest = hashlib.blake2b(words.tobytes(), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest, "big"))
        logits = self._sharpness * rng.normal(size=len(prompt.options))
        logprobs = logits - np.logaddexp.reduce(logits) + math.log(0.9)
        identifier = math.log(0.9) if prompt.identifier is not None else None
        return TokenScore(options=logprobs, identifier=identifier)
