"""A tenant's requests beside a flood of another's, in a simulated gateway and in virtual time.

As in gRPC, what has arrived waits in one queue, of which the event loop takes one at a time, and a
connection holds a number of requests: the next is sent once one of them has its answer.
"""

import asyncio
from collections import deque
from contextlib import suppress

import pytest
from tests.virtual_time import VirtualTime

from trueodds_service import urgency
from trueodds_service.edge.admission.turns import Turns
from trueodds_service.errors import Expired

# What a request takes of the loop as it arrives, and as it is answered.
ARRIVES, IS_ANSWERED = 0.0005, 0.0003
# To the caller and back.
WAY_SECONDS = 0.001
CONNECTION = 512


class Gateway:
    def __init__(self, turns=None):
        """Without ``turns`` there are those of a gateway."""
        self._loop = asyncio.get_running_loop()
        self._worked = 0.0
        self._turns = turns or Turns(self._loop.time, lambda: self._worked)
        self._arrived = deque()
        self._has_arrived = asyncio.Event()
        self._tasks = {asyncio.create_task(self._take())}
        self.answered = 0

    async def ask(self, tenant):
        """Returns how long it took."""
        began, answered = self._loop.time(), self._loop.create_future()
        self._arrived.append((tenant, answered))
        self._has_arrived.set()
        await answered
        return self._loop.time() - began

    async def connection(self, tenant, requests=CONNECTION):
        """A caller who always has another request."""

        async def request():
            while True:
                await self.ask(tenant)
                self.answered += 1
                await asyncio.sleep(WAY_SECONDS)

        self._tasks |= {asyncio.create_task(request()) for _ in range(requests)}

    async def alone(self, tenant, pause, count):
        took = []
        for _ in range(count):
            await asyncio.sleep(pause)
            took.append(await self.ask(tenant))
        return took

    async def close(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self):
        while True:
            while not self._arrived:
                self._has_arrived.clear()
                await self._has_arrived.wait()
            tenant, answered = self._arrived.popleft()
            self._work(ARRIVES)
            self._tasks.add(asyncio.create_task(self._answer(tenant, answered)))
            await asyncio.sleep(0)

    async def _answer(self, tenant, answered):
        await self._turns.turn(tenant)
        self._work(IS_ANSWERED)
        if not answered.done():
            answered.set_result(None)

    def _work(self, seconds):
        self._worked += seconds
        self._loop.work(seconds)


def run(story):
    async def whole():
        gateway = Gateway()
        try:
            return await story(gateway)
        finally:
            await gateway.close()

    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(whole())


@pytest.mark.parametrize("pause", [0.02, 0.3, 1.5])
@pytest.mark.parametrize("connections", [1, 2])
def test_who_asks_little_hardly_waits_beside_a_flood(pause, connections):
    async def story(gateway):
        for _ in range(connections):
            await gateway.connection("busy")
        await asyncio.sleep(2)
        first, *later = await gateway.alone("quiet", pause, 40)
        return first, sorted(later)

    first, later = run(story)
    # What had arrived before it goes before it: nobody knew that it would come.
    assert first < connections * CONNECTION * 2 * (ARRIVES + IS_ANSWERED)
    assert later[len(later) // 2] < 4 * (ARRIVES + IS_ANSWERED)
    assert later[-3] < 10 * (ARRIVES + IS_ANSWERED)


def test_a_flood_is_answered_beside_who_asks_little():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        alone, gateway.answered = gateway.answered / 2, 0
        await gateway.alone("quiet", 0.05, 200)
        return gateway.answered / 10, alone

    beside, alone = run(story)
    assert alone > 1000
    assert beside > 0.3 * alone


def test_the_flood_has_all_again_once_the_other_has_left():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        alone = gateway.answered / 2
        await gateway.alone("quiet", 0.05, 20)
        await asyncio.sleep(3)
        gateway.answered = 0
        await asyncio.sleep(2)
        return gateway.answered / 2, alone

    after, alone = run(story)
    assert after > 0.95 * alone


@pytest.mark.parametrize("tenants", [["one"], ["one", "other"]])
def test_where_all_ask_much_nobody_is_held_up(tenants):
    async def story(gateway):
        for tenant in tenants:
            await gateway.connection(tenant, 100)
        await asyncio.sleep(2)
        gateway.answered = 0
        await asyncio.sleep(2)
        return gateway.answered / 2

    assert run(story) > 0.95 / (ARRIVES + IS_ANSWERED)


def test_those_who_ask_much_have_turns_beside_who_asks_little():
    async def story(gateway):
        counts = dict.fromkeys(("more", "much"), 0)

        async def caller(tenant):
            while True:
                await gateway.ask(tenant)
                counts[tenant] += 1

        asking = [asyncio.create_task(caller("more")) for _ in range(400)]
        asking += [asyncio.create_task(caller("much")) for _ in range(100)]
        await asyncio.sleep(1)
        await gateway.alone("quiet", 0.05, 40)
        counts.update(more=0, much=0)
        await gateway.alone("quiet", 0.05, 60)
        for each in asking:
            each.cancel()
        return counts

    counts = run(story)
    assert counts["much"] == pytest.approx(counts["more"], rel=0.1)


def test_a_loop_with_time_holds_up_nobody():
    async def story(gateway):
        await gateway.connection("busy", 1)  # some 550 a second
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.3, 10)
        return await gateway.alone("busy", 0.01, 50)

    assert max(run(story)) < 0.005


def test_whose_deadline_passes_before_its_turn_is_told_so():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.05, 20)
        with urgency.hurrying(0.01), pytest.raises(Expired, match="before it was begun"):
            await gateway._turns.turn("busy")

    run(story)


def test_who_leaves_before_its_turn_takes_none():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.05, 20)
        leaving = [asyncio.create_task(gateway._turns.turn("busy")) for _ in range(10_000)]
        await asyncio.sleep(0)
        for each in leaving:
            each.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*leaving, return_exceptions=True)
        gateway.answered = 0
        await gateway.alone("quiet", 0.05, 20)
        return gateway.answered

    assert run(story) > 300
