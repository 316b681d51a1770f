"""Results in order, or each as it is done; nothing left running after an error; and turns."""

import asyncio
import itertools
import threading

import pytest

from trueodds_service.concurrency import Threads, as_completed, gather_or_cancel, in_pieces


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


async def turns():
    """All that can happen without anything from outside has happened."""
    for _ in range(100):
        await asyncio.sleep(0)


async def each(calls):
    for call in calls:
        yield call


async def test_results_come_as_they_are_done():
    done = [asyncio.Event() for _ in range(3)]

    async def call(place, before=None):
        if before is not None:
            await done[before].wait()
        done[place].set()
        return place

    # The second one ends first, and each of the others after the one before it.
    calls = each([call(0, before=1), call(1), call(2, before=0)])
    assert [result async for result in as_completed(calls, 3)] == [1, 0, 2]


async def test_no_call_is_taken_beyond_the_limit_until_a_result_is_taken():
    taken = []

    async def calls():
        for number in range(6):
            taken.append(number)
            yield asyncio.sleep(0)

    results = as_completed(calls(), 2)
    await anext(results)
    await turns()
    # One result is in the taker's hands, and its place is free once it asks for the next.
    assert taken == [0, 1]
    await anext(results)
    await turns()
    assert len(taken) == 3
    await results.aclose()


@pytest.mark.parametrize("end", ["error of a call", "error of the source", "leaving"])
async def test_whatever_ends_it_nothing_runs_on(end):
    ended = []

    async def last():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("last")

    async def fail():
        await turns()
        raise KeyError

    async def calls():
        yield last()
        if end == "error of a call":
            yield fail()
        elif end == "leaving":
            yield asyncio.sleep(0, "result")
            await asyncio.Event().wait()
        else:
            await turns()
            raise KeyError

    results = as_completed(calls(), 5)
    if end == "leaving":
        assert await anext(results) == "result"
        await results.aclose()
    else:
        with pytest.raises(KeyError):
            await anext(results)
    assert ended == ["last"]


async def test_while_many_items_are_worked_on_others_have_their_turn():
    turns, seen = [], []

    async def other():
        while True:
            turns.append(len(seen))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async for item in in_pieces(range(1000)):
        seen.append(item)
    task.cancel()
    assert seen == [*range(1000)]
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 50


class Bench:
    """Work in two threads, each piece of which ends when it is told to."""

    def __init__(self):
        self.threads = Threads(2, "test")
        self.begun = []
        self._ends, self._tasks = {}, {}
        self._changed, self._loop = asyncio.Event(), asyncio.get_running_loop()

    def start(self, owner, name, **how):
        end = self._ends[name] = threading.Event()

        def work():
            self.begun.append(name)
            self._loop.call_soon_threadsafe(self._changed.set)
            assert end.wait(30)
            return name

        self._tasks[name] = asyncio.create_task(self.threads.run(owner, work, **how))
        return self._tasks[name]

    async def see(self, *names):
        """These have begun, in any order, and after a while no others."""
        async with asyncio.timeout(30):
            while len(self.begun) < len(names):
                await self._changed.wait()
                self._changed.clear()
        await asyncio.sleep(0.02)
        assert sorted(self.begun) == sorted(names)

    def end(self, *names):
        for name in names:
            self._ends[name].set()

    async def close(self):
        self.end(*self._ends)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest.fixture
async def bench():
    made = Bench()
    yield made
    await made.close()


async def test_one_piece_of_work_of_an_owner_at_a_time(bench):
    pieces = [bench.start("many", f"many {number}") for number in range(4)]
    await bench.see("many 0")
    few = bench.start("few", "few")
    await bench.see("many 0", "few")
    bench.end("few", "many 0")
    assert [await few, await pieces[0]] == ["few", "many 0"]
    await bench.see("many 0", "few", "many 1")


async def test_work_has_its_turn_by_owners(bench):
    for owner in ("a", "b"):
        for number in range(2):
            bench.start(owner, f"{owner}{number}")
    bench.start("c", "c0")
    await bench.see("a0", "b0")
    bench.end("a0")
    await bench.see("a0", "b0", "c0")
    bench.end("c0")
    await bench.see("a0", "b0", "c0", "a1")


async def test_work_without_an_owner_has_all_threads(bench):
    for number in range(3):
        bench.start("", str(number))
    await bench.see("0", "1")


async def test_what_waits_is_not_begun_once_its_caller_has_left_and_what_runs_keeps_its_turn(bench):
    first, second = bench.start("many", "first"), bench.start("many", "second")
    await bench.see("first")
    for each in (first, second):
        each.cancel()
    third = bench.start("many", "third")
    await bench.see("first")
    assert first.cancelled()
    assert second.cancelled()
    bench.end("first", "third")
    assert await third == "third"
    await bench.see("first", "third")


async def test_who_is_to_stay_to_the_end_of_what_runs_leaves_then(bench):
    running = bench.start("many", "running", to_end=True)
    waiting = bench.start("many", "waiting", to_end=True)
    await bench.see("running")
    for _ in range(2):
        running.cancel()
        waiting.cancel()
        await asyncio.sleep(0.01)
    assert waiting.done()
    assert not running.done()
    bench.end("running")
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_error_of_work_in_a_thread_is_raised(bench):
    def fail():
        raise KeyError("first")

    with pytest.raises(KeyError):
        await bench.threads.run("many", fail)
    assert await bench.threads.run("many", lambda: 1) == 1
