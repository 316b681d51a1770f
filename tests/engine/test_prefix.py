"""A shared prefix is computed once, and nobody waits for another's."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.engine.prefix import PrefixGate, shared_prefix

PREFIX = tuple(range(32))
# Two tokens only, so that prompts do share something.
PROMPTS = st.lists(st.lists(st.integers(0, 1), max_size=10).map(tuple), max_size=4)


@given(
    base=st.lists(st.integers(0, 1), max_size=12).map(tuple),
    ends=PROMPTS,
    size=st.sampled_from([1, 3]),
)
def test_a_shared_prefix_is_the_longest_of_whole_blocks(base, ends, size):
    prompts = [base + end for end in ends]
    shared = shared_prefix(prompts, size)
    wholes = [
        prompts[0][:length]
        for length in range(2 * size, max(map(len, prompts), default=0) + 1, size)
        if len(prompts) > 1 and all(prompt[:length] == prompts[0][:length] for prompt in prompts)
        if all(len(prompt) >= length for prompt in prompts)
    ]
    assert shared == (wholes[-1] if wholes else ())


class Callers:
    """Callers of one gate, each of which stays inside until it is told to leave."""

    def __init__(self):
        self.gate = PrefixGate()
        self.entered = []

    def start(self, name, prefix=PREFIX, *, fails=False):
        leave = asyncio.Event()

        async def call():
            async with self.gate.ahead(prefix) as ahead:
                self.entered.append((name, ahead))
                await leave.wait()
                if fails:
                    raise RuntimeError

        task = asyncio.create_task(call())
        task.leave = leave.set
        return task


@pytest.fixture
def callers():
    return Callers()


async def settle():
    """Every task that can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_goes_ahead_and_the_others_enter_when_it_leaves(callers):
    first, *others = (callers.start(name) for name in "abcd")
    await settle()
    assert callers.entered == [("a", True)]
    first.leave()
    await settle()
    assert sorted(callers.entered[1:]) == [("b", False), ("c", False), ("d", False)]
    for other in others:
        other.leave()
    await asyncio.gather(first, *others)


async def test_a_computed_prefix_keeps_nobody_waiting(callers):
    first = callers.start("a")
    first.leave()
    await first
    late = callers.start("b")
    later = callers.start("c")
    await settle()
    assert callers.entered[1:] == [("b", False), ("c", False)]
    for each in (late, later):
        each.leave()
        await each


async def test_prefixes_do_not_wait_for_each_other(callers):
    tasks = [callers.start(name, (*PREFIX, place)) for place, name in enumerate("abc")]
    await settle()
    assert callers.entered == [("a", True), ("b", True), ("c", True)]
    for task in tasks:
        task.leave()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("end", ["failure", "cancellation"])
async def test_who_goes_ahead_and_fails_opens_the_gate_and_the_next_new_caller_tries(callers, end):
    first, waiting = callers.start("a", fails=True), callers.start("b")
    await settle()
    if end == "failure":
        first.leave()
        with pytest.raises(RuntimeError):
            await first
    else:
        first.cancel()
    await settle()
    assert callers.entered == [("a", True), ("b", False)]
    again = callers.start("c")
    await settle()
    assert callers.entered[2:] == [("c", True)]
    for task in (waiting, again):
        task.leave()
        await task


async def test_who_waits_can_be_cancelled_alone(callers):
    first, gone, waiting = (callers.start(name) for name in "abc")
    await settle()
    gone.cancel()
    await settle()
    assert gone.cancelled()
    first.leave()
    await settle()
    assert callers.entered == [("a", True), ("c", False)]
    waiting.leave()
    await waiting


async def test_what_is_remembered_is_bounded_and_what_is_used_stays(callers):
    async def ahead(prefix):
        async with callers.gate.ahead(prefix) as is_ahead:
            return is_ahead

    assert await ahead((0,))
    assert await ahead((1,))
    for number in range(2, 1000):
        assert await ahead((number,))
        assert not await ahead((0,))
    assert await ahead((1,)), "forgotten, so it is computed again"
