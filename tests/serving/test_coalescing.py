"""Small calls that come while others are under way go together; a lone one goes at once."""

import asyncio

import numpy as np
import pytest

from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.serving.coalescing import Coalescing


def prompts(*numbers):
    return [TokenPrompt((number,), ((1,), (2,))) for number in numbers]


class Process:
    """Answers with the prompt's own token, once it is let go on."""

    def __init__(self):
        self.calls = []
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.calling = Coalescing(self.ask)

    async def ask(self, asked):
        self.calls.append([prompt.prompt[0] for prompt in asked])
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if any(prompt.prompt[0] < 0 for prompt in asked):
            raise RuntimeError
        return [
            TokenScore(np.array([prompt.prompt[0]]), greedy=np.array([True])) for prompt in asked
        ]

    def score(self, *numbers):
        return asyncio.create_task(self.calling.score(prompts(*numbers)))


async def numbers(task):
    return [score.continuations[0] for score in await task]


@pytest.fixture
async def process():
    return Process()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_lone_call_goes_at_once(process):
    process.score(1)
    await settle()
    assert process.calls == [[1]]


async def test_what_comes_while_some_are_under_way_goes_together(process):
    tasks = [process.score(number) for number in range(20)]
    await settle()
    under_way = len(process.calls)
    assert 1 < under_way < 20
    process.go_on.set()
    assert [await numbers(task) for task in tasks] == [[number] for number in range(20)]
    assert len(process.calls) == under_way + 1
    assert process.calls[-1] == list(range(under_way, 20))


async def test_a_call_never_grows_beyond_its_bound(process):
    tasks = [process.score(number) for number in range(200)]
    process.go_on.set()
    assert [await numbers(task) for task in tasks] == [[number] for number in range(200)]
    assert max(map(len, process.calls)) <= 32
    assert len(process.calls) < 20


async def test_a_large_call_goes_by_itself_whatever_is_under_way(process):
    for number in range(20):
        process.score(number)
    await settle()
    large = process.score(*range(100))
    await settle()
    assert process.calls[-1] == list(range(100))
    process.go_on.set()
    assert await numbers(large) == list(range(100))


async def test_one_that_fails_fails_alone(process):
    tasks = [process.score(number) for number in range(8)]
    bad = process.score(-1)
    process.go_on.set()
    with pytest.raises(RuntimeError):
        await bad
    assert [await numbers(task) for task in tasks] == [[number] for number in range(8)]


async def test_who_leaves_takes_the_prompts_along(process):
    task = process.score(1)
    await settle()
    task.cancel()
    await settle()
    assert process.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_leaves_does_not_disturb_those_it_went_with(process):
    tasks = [process.score(number) for number in range(10)]
    await settle()
    waiting = tasks[9]
    waiting.cancel()
    await settle()
    process.go_on.set()
    assert [await numbers(task) for task in tasks[:9]] == [[number] for number in range(9)]
    assert 9 not in process.calls[-1]

    process.go_on.clear()
    tasks = [process.score(number) for number in range(4)]
    together = [process.score(number) for number in (5, 6)]
    await settle()
    process.go_on.set()
    await asyncio.gather(*tasks)
    process.go_on.clear()
    await settle()
    together[0].cancel()
    process.go_on.set()
    assert await numbers(together[1]) == [6]
