"""The fake engine: as exact as a real one, and the same every time."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine

TOKENS = st.integers(0, 4095)


def sequences(least, most):
    return st.lists(TOKENS, min_size=least, max_size=most).map(tuple)


PROMPTS = st.builds(
    TokenPrompt,
    prompt=sequences(1, 8),
    continuations=st.lists(sequences(1, 4), min_size=2, max_size=8, unique=True).map(tuple),
    identifier=sequences(0, 3),
    top_tokens=st.integers(0, 20),
)
quick = settings(deadline=None, max_examples=40)


def numbers(score):
    return score.continuations, score.greedy, score.identifier, score.top_tokens


async def scored(prompts, **of_the_engine):
    return [numbers(score) for score in await FakeEngine(**of_the_engine).score(prompts)]


@quick
@given(batch=st.lists(PROMPTS, min_size=1, max_size=6), data=st.data())
async def test_a_score_depends_on_nothing_but_its_prompt(batch, data):
    """Neither on the others of the batch, nor on their order, nor on the engine's past."""
    together = await scored(batch)
    assert together == [(await scored([prompt]))[0] for prompt in batch]
    order = data.draw(st.permutations(range(len(batch))))
    engine = FakeEngine()
    await engine.score(batch)
    shuffled = await engine.score([batch[place] for place in order])
    assert [numbers(score) for score in shuffled] == [together[place] for place in order]


@quick
@given(prompt=PROMPTS, cut=st.integers(1, 3))
async def test_the_parts_of_a_continuation_add_up(prompt, cut):
    """The chain rule: p(ab | x) = p(a | x) p(b | xa)."""
    before = prompt.prompt + prompt.identifier
    for tokens in prompt.continuations:
        head, tail = tokens[:cut], tokens[cut:]
        asked = [TokenPrompt(before, (tokens,)), TokenPrompt(before, (head,))]
        if tail:
            asked.append(TokenPrompt(before + head, (tail,)))
        whole, *parts = [score.continuations[0] for score in await FakeEngine().score(asked)]
        assert whole == pytest.approx(sum(parts))


@quick
@given(prompt=sequences(1, 8), sharpness=st.floats(0.1, 10))
async def test_every_step_is_a_distribution(prompt, sharpness):
    every = tuple((token,) for token in range(4096))
    [score] = await FakeEngine(sharpness=sharpness).score([TokenPrompt(prompt, every)])
    assert np.exp(score.continuations).sum() == pytest.approx(1)


@quick
@given(prompt=PROMPTS)
async def test_top_tokens_are_the_likeliest(prompt):
    [score] = await FakeEngine().score([prompt])
    every = TokenPrompt(prompt.prompt + prompt.identifier, tuple((t,) for t in range(4096)))
    [step] = await FakeEngine().score([every])
    best = sorted(step.continuations, reverse=True)[: prompt.top_tokens]
    assert [logprob for _, logprob in score.top_tokens] == best
    assert all(step.continuations[token] == logprob for token, logprob in score.top_tokens)


@quick
@given(prompt=sequences(1, 8), other=st.tuples(st.integers(0, 2), TOKENS))
async def test_greedy_is_what_the_likeliest_tokens_make(prompt, other):
    [first] = await FakeEngine().score([TokenPrompt(prompt, ((1,),), top_tokens=1)])
    likeliest = first.top_tokens[0][0]
    [second] = await FakeEngine().score([TokenPrompt((*prompt, likeliest), ((1,),), top_tokens=1)])
    best = (likeliest, second.top_tokens[0][0])
    place, token = other
    changed = (*best[:place], token, *best[place + 1 :])
    asked = TokenPrompt(prompt, tuple(dict.fromkeys([best, best[:1], changed])))
    [score] = await FakeEngine().score([asked])
    assert score.greedy == tuple(
        each[:2] == best[: len(each)] and len(each) < 3 for each in asked.continuations
    )


async def test_other_tokens_and_other_seeds_get_other_scores():
    prompts = [TokenPrompt(prompt, ((1,), (2,))) for prompt in [(1,), (2,), (1, 2), (2, 1)]]
    drawn = [*await scored(prompts), *await scored(prompts, seed=1)]
    assert len({continuations for continuations, *_ in drawn}) == 8


@quick
@given(prompt=sequences(1, 8), labels=st.lists(TOKENS, min_size=2, max_size=8, unique=True))
async def test_sharpness_is_the_temperature_between_two_fakes(prompt, labels):
    asked = TokenPrompt(prompt, tuple((label,) for label in labels))
    [plain] = await FakeEngine().score([asked])
    [sharp] = await FakeEngine(sharpness=3.0).score([asked])
    differences = np.diff(sharp.continuations)
    assert differences == pytest.approx(3.0 * np.diff(plain.continuations))


async def test_no_prompts_have_no_scores():
    assert await FakeEngine().score([]) == []


async def test_each_call_takes_as_long_as_it_is_told():
    started = time.monotonic()
    await FakeEngine(seconds=0.05).score([TokenPrompt((1,), ((1,), (2,)))])
    assert time.monotonic() - started >= 0.05
