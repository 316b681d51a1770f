"""What is read of vLLM is exact, whatever its cache holds and whatever rows it leaves unset.

vLLM's part is played by a stand-in with a cache in blocks, which draws its logprobs like the fake
engine: the real one is not to be made to leave rows unset. See tests/integration/test_engine.py.
"""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.vllm import scorer as scorer_module
from trueodds_service.engine.vllm.logprobs import FORCED
from trueodds_service.engine.vllm.scorer import Scorer

BLOCK = 4


class Coarse(FakeEngine):
    """Tells whole numbers only: most often several tokens are the likeliest."""

    def _step(self, context):
        return np.floor(super()._step(context))


class Flat:
    """Logprobs by step, in flat lists, as vLLM gives them."""

    def __init__(self):
        self.start_indices, self.end_indices = [], []
        self.token_ids, self.logprobs, self.ranks = [], [], []

    def add(self, logprobs, rank):
        self.start_indices.append(len(self.token_ids))
        self.token_ids += logprobs.keys()
        self.logprobs += logprobs.values()
        self.ranks += [rank, *range(1, len(logprobs))][: len(logprobs)]
        self.end_indices.append(len(self.token_ids))


class StandIn:
    """Answers as vLLM does. ``unset`` is how often rows of a prompt are left unset."""

    def __init__(self, engine=None, *, unset=0.0, seed=0):
        self.asked = []
        self._engine = engine or FakeEngine()
        self._rng = random.Random(seed)
        self._unset = unset
        self._cache = set()

    async def __call__(self, tokens, params, lora, salt=None):
        self.asked.append((tokens, params))
        blocks = [(salt, tokens[:end]) for end in range(BLOCK, len(tokens) + 1, BLOCK)]
        cached = 0
        while cached < len(blocks) and blocks[cached] in self._cache:
            cached += 1
        cached = min(cached, (len(tokens) - 1) // BLOCK) * BLOCK
        self._cache.update(blocks)
        return SimpleNamespace(
            num_cached_tokens=cached,
            prompt_logprobs=self._prompt(tokens, cached, params)
            if params.prompt_logprobs
            else None,
            outputs=[SimpleNamespace(logprobs=self._chosen(tokens, params))],
        )

    def _prompt(self, tokens, cached, params):
        flat = Flat()
        flat.add({}, 0)
        # What was in the memory before, the right tokens among it.
        lost = cached
        if self._rng.random() < self._unset:
            lost = self._rng.randint(cached, len(tokens))
        for place in range(1, len(tokens)):
            step = self._engine._step(tokens[:place])
            if place - 1 < lost:
                flat.add({self._rng.randrange(4096): self._rng.random()}, 1)
            else:
                logprobs, rank = self._of(step, tokens[place])
                # Of equals vLLM may tell any.
                likeliest = [self._rng.choice(np.flatnonzero(step == step.max()).tolist())]
                likeliest += np.argsort(-step)[1 : params.prompt_logprobs].tolist()
                flat.add({**logprobs, **{each: float(step[each]) for each in likeliest}}, rank)
        return flat

    def _chosen(self, tokens, params):
        forced = (params.extra_args or {}).get(FORCED, [])
        flat = Flat()
        for _ in range(params.max_tokens):
            step = self._engine._step(tokens)
            chosen = (
                forced[len(flat.start_indices)] if len(flat.start_indices) < len(forced) else -1
            )
            chosen = int(step.argmax()) if chosen < 0 else chosen
            logprobs, rank = self._of(step, chosen)
            likeliest = np.argsort(-step)[: params.logprobs or 0].tolist()
            for token in [*(params.logprob_token_ids or []), *likeliest]:
                logprobs[token] = float(step[token])
            flat.add(logprobs, rank)
            tokens = (*tokens, chosen)
        return flat

    @staticmethod
    def _of(step, token):
        return {token: float(step[token])}, int((step >= step[token]).sum())


def drawn(rng):
    """A prompt of few different tokens, so that much is shared and much is cached already."""

    def tokens(least, most):
        return tuple(rng.choices((1, 2), k=rng.randint(least, most)))

    return TokenPrompt(
        tokens(1, 14),
        tuple({tokens(*rng.choice([(1, 1), (2, 4), (2, 14)])) for _ in range(rng.randint(1, 5))}),
        tokens(0, rng.choice([0, 0, 3])),
    )


@pytest.fixture
def small(monkeypatch):
    """A long text is one of 16 tokens and more."""
    monkeypatch.setattr(scorer_module, "_PIECE_TOKENS", 16)


@pytest.mark.parametrize("has_adapters", [False, True])
@pytest.mark.parametrize("unset", [0.0, 0.3])
@pytest.mark.parametrize("step_tokens", [0, 4, 1000])
async def test_every_read_is_exact(monkeypatch, unset, step_tokens, has_adapters):
    monkeypatch.setattr(scorer_module, "_STEP_TOKENS", step_tokens)
    rng = random.Random(step_tokens)
    scorer = Scorer(StandIn(unset=unset), BLOCK, has_adapters=has_adapters)
    for _ in range(60):
        prompt = drawn(rng)
        [expected] = await FakeEngine().score([prompt])
        found = await scorer.score(prompt, None)
        assert found.continuations == pytest.approx(expected.continuations)
        assert found.greedy == expected.greedy
        assert found.identifier == pytest.approx(expected.identifier)


@pytest.mark.parametrize("unset", [0.0, 0.3])
async def test_a_long_text_is_read_in_pieces_and_exact(small, unset):
    rng = random.Random(5)
    stand_in = StandIn(unset=unset)
    scorer = Scorer(stand_in, BLOCK, has_adapters=False)
    for length in (17, 40, 40, 63, 64, 65):
        text = tuple(rng.choices((1, 2), k=length))
        for start in (1, 2, 4, length // 3):
            prompt = TokenPrompt(text[:start], (text[start:],))
            [expected] = await FakeEngine().score([prompt])
            assert (await scorer.score(prompt, None)).continuations == pytest.approx(
                expected.continuations
            )


@pytest.mark.parametrize("has_adapters", [False, True])
async def test_of_equally_likely_tokens_greedy_is_the_one_that_is_written(has_adapters):
    coarse, equals = Coarse(), 0
    scorer = Scorer(StandIn(coarse), BLOCK, has_adapters=has_adapters)
    for number in range(40):
        before, written, others = (number,) * (1 + number % 9), (), []
        for _ in range(5):
            step = coarse._step(before + written)
            likeliest = np.flatnonzero(step == step.max()).tolist()
            others += [(*written, token) for token in likeliest[1:3]]
            written += (likeliest[0],)
        equals += len(others)
        spoiled = [each + written[len(each) :] for each in others]
        wanted = [written, written[:2], *spoiled, *(others if number % 2 else ())]
        prompt = TokenPrompt(before, tuple(dict.fromkeys(wanted)))
        [expected] = await coarse.score([prompt])
        assert sum(expected.greedy) == 2
        assert (await scorer.score(prompt, None)).greedy == expected.greedy
    assert equals > 100


async def test_options_that_share_a_context_are_a_request_each():
    stand_in = StandIn()
    prompt = TokenPrompt(tuple(range(1, 11)), tuple((40 + n, *range(5)) for n in range(4)))
    await Scorer(stand_in, BLOCK, has_adapters=False).score(prompt, None)
    assert [tokens for tokens, _ in stand_in.asked] == [
        prompt.prompt + each for each in prompt.continuations
    ]


async def test_what_was_asked_before_takes_no_step_for_each_token():
    stand_in = StandIn()
    scorer = Scorer(stand_in, BLOCK, has_adapters=False)
    text = tuple(np.random.default_rng(0).integers(0, 4096, 60).tolist())
    prompt = TokenPrompt(text[:2], (text[2:],))
    first, again = await scorer.score(prompt, None), await scorer.score(prompt, None)
    assert again.continuations == pytest.approx(first.continuations)
    assert max(params.max_tokens for _, params in stand_in.asked) == 1


@pytest.mark.parametrize("unset", [0.0, 0.3])
async def test_top_tokens_are_exact_whatever_is_cached(unset):
    engine, rng = FakeEngine(), random.Random(5)
    stand_in = StandIn(engine, unset=unset)
    scorer = Scorer(stand_in, BLOCK, has_adapters=False)
    for _ in range(50):
        prompt = replace(drawn(rng), top_tokens=rng.randint(1, 5))
        [expected] = await engine.score([prompt])
        assert (await scorer.score(prompt, None)).top_tokens == expected.top_tokens


async def test_top_tokens_are_read_beside_requests_of_any_kind():
    """vLLM cannot choose top tokens for one request and given tokens for another in one batch."""
    rng, stand_in = random.Random(6), StandIn()
    scorer = Scorer(stand_in, BLOCK, has_adapters=False)
    for _ in range(50):
        await scorer.score(replace(drawn(rng), top_tokens=3), None)
    assert all(params.logprobs is None for _, params in stand_in.asked)


async def test_what_the_cache_held_of_a_prompt_is_told():
    """By the first request alone: of more labels than one takes, the next finds the first's."""
    scorer = Scorer(StandIn(), BLOCK, has_adapters=False)
    prompt = TokenPrompt(tuple(range(1, 11)), tuple((40 + n,) for n in range(300)))
    assert (await scorer.score(prompt, None)).cached_tokens == 0
    assert (await scorer.score(prompt, None)).cached_tokens == 10 // BLOCK * BLOCK > 0
