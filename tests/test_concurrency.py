"""gather_or_cancel: all results in order, or one error and nothing left running."""

import asyncio

import pytest

from trueodds_service.concurrency import gather_or_cancel


async def test_results_are_in_the_order_of_the_calls():
    events = [asyncio.Event() for _ in range(3)]

    async def call(place):
        # The last call ends first.
        if place + 1 < len(events):
            await events[place + 1].wait()
        events[place].set()
        return place

    assert await gather_or_cancel(call(place) for place in range(3)) == [0, 1, 2]


async def test_no_calls_have_no_results():
    assert await gather_or_cancel([]) == []


async def test_the_error_of_a_call_is_raised_bare():
    error = KeyError("first")

    async def fail():
        raise error

    with pytest.raises(KeyError) as caught:
        await gather_or_cancel([fail(), asyncio.sleep(0)])
    assert caught.value is error


@pytest.mark.parametrize("cause", ["error", "cancellation"])
async def test_nothing_runs_on_after_an_error_or_a_cancellation(cause):
    all_run = asyncio.Barrier(3)
    ended = []

    async def last(name):
        await all_run.wait()
        try:
            await asyncio.Event().wait()
        finally:
            # The others are awaited, not only told to stop.
            await asyncio.sleep(0)
            ended.append(name)

    async def fail():
        await all_run.wait()
        if cause == "error":
            raise ValueError
        asyncio.get_running_loop().call_soon(whole.cancel)
        await asyncio.Event().wait()

    whole = asyncio.ensure_future(gather_or_cancel([last("a"), fail(), last("b")]))
    with pytest.raises(ValueError if cause == "error" else asyncio.CancelledError):
        await whole
    assert sorted(ended) == ["a", "b"]
