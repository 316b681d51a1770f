"""How much may be under way at once, and who is let in next."""

import asyncio

import pytest

from trueodds_service.engine.link.bytes_under_way import BytesUnderWay


class Callers:
    """Calls in a room of 10, each for as long as it is told."""

    def __init__(self):
        self.room = BytesUnderWay(10)
        self.inside = []
        self._ends = {}

    async def _call(self, name, size):
        async with self.room.taken(size):
            self.inside.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.inside.remove(name)

    async def call(self, name, size):
        self._ends[name] = asyncio.Event()
        task = asyncio.create_task(self._call(name, size))
        await settle()
        return task

    async def end(self, name):
        self._ends[name].set()
        await settle()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def callers():
    return Callers()


async def test_what_fits_together_is_let_in_together(callers):
    for name, size in (("a", 6), ("b", 4), ("c", 1)):
        await callers.call(name, size)
    assert callers.inside == ["a", "b"]
    await callers.end("b")
    assert callers.inside == ["a", "c"]


async def test_nobody_overtakes_one_that_waits_for_more_room(callers):
    for name, size in (("a", 6), ("large", 8), ("small", 1)):
        await callers.call(name, size)
    assert callers.inside == ["a"]
    await callers.end("a")
    assert callers.inside == ["large", "small"]


async def test_what_is_larger_than_the_room_goes_alone(callers):
    for name, size in (("a", 1), ("huge", 100), ("b", 1)):
        await callers.call(name, size)
    assert callers.inside == ["a"]
    await callers.end("a")
    assert callers.inside == ["huge"]
    await callers.end("huge")
    assert callers.inside == ["b"]


async def test_who_leaves_the_queue_makes_way(callers):
    await callers.call("a", 6)
    large = await callers.call("large", 8)
    await callers.call("small", 1)
    large.cancel()
    await settle()
    assert callers.inside == ["a", "small"]


async def test_who_leaves_at_the_moment_that_he_is_let_in_takes_no_room(callers):
    first = await callers.call("a", 10)
    second = await callers.call("b", 10)
    first.cancel()
    # One turn of the loop: the room is another's, which does not run yet.
    await asyncio.sleep(0)
    second.cancel()
    await settle()
    await callers.call("c", 10)
    assert callers.inside == ["c"]
