"""Prompts that are known to kill: for how long, how many, and to whom."""

import pytest
from tests.clock import Clock

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.serving import killers as killers_module
from trueodds_service.serving.killers import Killers

PROMPT = TokenPrompt((1, 2, 3), ((4,), (5,)))


@pytest.fixture
def clock():
    return Clock(1e9)


def test_one_that_is_known_is_refused_for_ten_minutes(clock):
    killers = Killers(clock)
    assert not killers.holds(PROMPT, None)
    killers.add(PROMPT, None)
    assert killers.holds(PROMPT, None)
    assert not killers.holds(PROMPT, "adapter")
    assert not killers.holds(TokenPrompt((1, 2, 3), ((4,), (6,))), None)
    clock.now += 601
    assert not killers.holds(PROMPT, None)
    assert killers.known == {}


def test_what_another_gateway_tells_is_known_as_long_as_there(clock):
    first, second = Killers(clock), Killers(clock)
    first.add(PROMPT, None)
    clock.now += 300
    second.learn(first.known)
    assert second.holds(PROMPT, None)
    assert second.known == first.known
    clock.now += 301
    second.learn(first.known)
    assert not second.holds(PROMPT, None)


def test_a_clock_that_is_ahead_keeps_none_for_longer(clock):
    killers, ahead = Killers(clock), Killers(clock)
    clock.now += 10_000
    ahead.add(PROMPT, None)
    clock.now -= 10_000
    killers.learn(ahead.known)
    clock.now += 601
    assert not killers.holds(PROMPT, None)


def test_their_number_is_bounded_and_the_newest_stay(clock, monkeypatch):
    monkeypatch.setattr(killers_module, "MOST", 8)
    killers = Killers(clock)
    prompts = [TokenPrompt((number,), ((1,),)) for number in range(20)]
    for prompt in prompts:
        clock.now += 1
        killers.add(prompt, None)
    assert [killers.holds(prompt, None) for prompt in prompts] == [False] * 12 + [True] * 8
