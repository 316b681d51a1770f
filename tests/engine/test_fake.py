"""The fake engine: as exact as a real one, and the same every time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine

TOKENS = st.integers(0, 200_000)
PROMPTS = st.builds(
    TokenPrompt,
    prompt=st.lists(TOKENS, min_size=1, max_size=8).map(tuple),
    options=st.lists(TOKENS, min_size=2, max_size=26, unique=True).map(tuple),
    identifier=st.none() | TOKENS,
)


async def logprobs(prompts, **of_the_engine):
    scores = await FakeEngine(**of_the_engine).score(prompts)
    return [score.options.tolist() for score in scores]


@settings(deadline=None)
@given(batch=st.lists(PROMPTS, min_size=1, max_size=6), data=st.data())
async def test_a_score_depends_on_nothing_but_its_prompt(batch, data):
    """Neither on the others of the batch, nor on their order, nor on the engine's past."""
    together = await logprobs(batch)
    assert together == [(await logprobs([prompt]))[0] for prompt in batch]
    order = data.draw(st.permutations(range(len(batch))))
    engine = FakeEngine()
    await engine.score(batch)
    shuffled = await engine.score([batch[place] for place in order])
    assert [score.options.tolist() for score in shuffled] == [together[place] for place in order]


@settings(deadline=None)
@given(prompt=PROMPTS, sharpness=st.floats(0.1, 10))
async def test_nine_tenths_of_the_mass_are_on_the_options(prompt, sharpness):
    [score] = await FakeEngine(sharpness=sharpness).score([prompt])
    assert score.options.shape == (len(prompt.options),)
    assert np.exp(score.options).sum() == pytest.approx(0.9)
    assert (score.identifier is None) == (prompt.identifier is None)
    if score.identifier is not None:
        assert score.identifier == pytest.approx(math.log(0.9))


async def test_other_tokens_and_other_seeds_get_other_scores():
    prompts = [TokenPrompt(prompt, (1, 2)) for prompt in [(1,), (2,), (1, 2), (2, 1)]]
    drawn = [*await logprobs(prompts), *await logprobs(prompts, seed=1)]
    assert len({tuple(each) for each in drawn}) == 8


@settings(deadline=None)
@given(prompt=PROMPTS, sharpness=st.floats(0.1, 10))
async def test_sharpness_is_the_temperature_between_two_fakes(prompt, sharpness):
    [[plain], [sharp]] = await logprobs([prompt]), await logprobs([prompt], sharpness=sharpness)
    softened = np.exp(np.array(sharp) / sharpness)
    assert softened / softened.sum() == pytest.approx(np.exp(plain) / 0.9)


async def test_no_prompts_have_no_scores():
    assert await FakeEngine().score([]) == []
