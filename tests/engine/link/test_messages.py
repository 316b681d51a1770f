"""What travels arrives as it was, and what prompts share travels once."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.engine.link import messages
from trueodds_service.errors import PromptFault

TOKENS = st.integers(0, 2**20)
BEGINNINGS = st.sampled_from([(), (7,) * 20, (7,) * 40, (8,) * 30])
PROMPTS = st.builds(
    TokenPrompt,
    prompt=st.builds(lambda one, other: one + other, BEGINNINGS, st.tuples(TOKENS, TOKENS)),
    continuations=st.lists(st.tuples(TOKENS), min_size=1, max_size=4).map(tuple),
    identifier=st.sampled_from([(), (3,)]),
    top_tokens=st.integers(0, 20),
)
LOGPROBS = st.floats(max_value=0) | st.just(-math.inf)
SCORES = st.builds(
    TokenScore,
    continuations=st.lists(LOGPROBS, max_size=4).map(tuple),
    greedy=st.lists(st.booleans(), max_size=4).map(tuple),
    identifier=LOGPROBS,
    top_tokens=st.lists(st.tuples(TOKENS, LOGPROBS), max_size=3).map(tuple),
    cached_tokens=TOKENS,
)


def sent(prompts):
    return messages.encode(messages.ask(1, prompts, "an-adapter"))


@settings(deadline=None)
@given(prompts=st.lists(PROMPTS, max_size=8))
def test_prompts_arrive_as_they_were(prompts):
    asked = messages.decode_from_gateway(sent(prompts))
    assert messages.prompts_of(asked) == prompts
    assert asked.prompts == len(prompts)
    assert asked.adapter == "an-adapter"


@settings(deadline=None)
@given(scores=st.lists(SCORES, max_size=4))
def test_scores_and_faults_arrive_as_they_were(scores):
    fault = PromptFault("it failed", reason="ENGINE_FAULT")
    body = messages.encode(messages.answer(1, [*scores, fault]))
    *arrived, failed = messages.outcomes_of(messages.decode_from_engine(body))
    assert arrived == scores
    assert (failed.message, failed.reason) == (fault.message, fault.reason)


def test_what_prompts_begin_with_travels_once():
    shots = tuple(range(1000, 2000))
    prompts = [TokenPrompt((*shots, number, 5), ((1,), (2,))) for number in range(64)]
    apart = sum(len(sent([each])) for each in prompts)
    assert len(sent(prompts)) < apart / 30
