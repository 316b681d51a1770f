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
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import Everybody
from trueodds_service.errors import Exhausted, Expired, Forbidden

# What a request takes of the loop as it arrives, and as it is answered.
ARRIVES, IS_ANSWERED = 0.0005, 0.0003
# To the caller and back.
WAY_SECONDS = 0.001
CONNECTION = 512


class Gateway:
    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._worked = 0.0
        self._turns = Turns(256, self._loop.time, lambda: self._worked)
        self._arrived = deque()
        self._has_arrived = asyncio.Event()
        self._tasks = {asyncio.create_task(self._take())}
        self.answered = 0
        # Which part of their time was left as requests with a deadline began.
        self.left = []

    async def ask(self, tenant, seconds=None):
        """Returns how long it took."""
        began, answered = self._loop.time(), self._loop.create_future()
        self._arrived.append((tenant, seconds, answered))
        self._has_arrived.set()
        await answered
        return self._loop.time() - began

    async def connection(self, tenant, requests=CONNECTION, seconds=None):
        """A caller who always has another request, each with so many ``seconds``."""

        async def request():
            while True:
                with suppress(Expired):
                    await self.ask(tenant, seconds)
                    self.answered += 1
                await asyncio.sleep(WAY_SECONDS)

        self._tasks |= {asyncio.create_task(request()) for _ in range(requests)}

    def works_otherwise(self, share):
        """For so much of its time."""

        async def work():
            while True:
                self._work(0.002 * share)
                await asyncio.sleep(0.002 * (1 - share))

        self._tasks.add(asyncio.create_task(work()))

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
            asked = self._arrived.popleft()
            self._work(ARRIVES)
            self._tasks.add(asyncio.create_task(self._answer(*asked)))
            await asyncio.sleep(0)

    async def _answer(self, tenant, seconds, answered):
        arrived = self._loop.time()
        try:
            with urgency.hurrying(seconds):
                await self._turns.turn(tenant, others_wait=tenant != "looks")
        except Expired as error:
            self._work(IS_ANSWERED)
            if not answered.done():
                answered.set_exception(error)
            return
        if seconds is not None:
            self.left.append(1 - (self._loop.time() - arrived) / seconds)
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


@pytest.mark.parametrize("pause", [0.02, 0.3, 3.0])
@pytest.mark.parametrize("connections", [1, 2])
def test_who_asks_little_hardly_waits_beside_a_flood_after_the_second_question(pause, connections):
    async def story(gateway):
        for _ in range(connections):
            await gateway.connection("busy")
        await asyncio.sleep(2)
        first, _, *later = await gateway.alone("quiet", pause, 30)
        return first, sorted(later)

    first, later = run(story)
    # What had arrived before it goes before it: nobody knew that it would come.
    assert first < connections * CONNECTION * 2 * (ARRIVES + IS_ANSWERED)
    assert later[len(later) // 2] < 4 * (ARRIVES + IS_ANSWERED)
    assert later[-2] < 10 * (ARRIVES + IS_ANSWERED)


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
        await asyncio.sleep(11)
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
        with urgency.hurrying(0.01), pytest.raises(Expired, match="the deadline passed before"):
            await gateway._turns.turn("busy", others_wait=True)

    run(story)


def test_who_leaves_before_its_turn_takes_none():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.05, 20)
        leaving = [
            asyncio.create_task(gateway._turns.turn("busy", others_wait=True))
            for _ in range(10_000)
        ]
        await asyncio.sleep(0)
        for each in leaving:
            each.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*leaving, return_exceptions=True)
        gateway.answered = 0
        await gateway.alone("quiet", 0.05, 20)
        return gateway.answered

    assert run(story) > 300


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_loop_that_works_on_other_things_still_begins_requests(share):
    async def story(gateway):
        gateway.works_otherwise(share)
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.3, 10)
        gateway.answered = 0
        await gateway.alone("quiet", 0.3, 20)
        return gateway.answered / 6

    assert run(story) > 100


def test_nobody_waits_for_who_only_looks():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("looks", 0.5, 10)
        gateway.answered = 0
        await gateway.alone("looks", 0.5, 10)
        return gateway.answered / 5

    assert run(story) > 0.9 / (ARRIVES + IS_ANSWERED)


def test_a_flood_of_those_who_only_look_waits_for_its_turn():
    async def story(gateway):
        await gateway.connection("looks")
        await asyncio.sleep(2)
        return await gateway.alone("quiet", 0.3, 20)

    assert max(run(story)[3:]) < 10 * (ARRIVES + IS_ANSWERED)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 5.0])
def test_requests_begin_with_time_left(seconds):
    async def story(gateway):
        await gateway.connection("busy", seconds=seconds)
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.05, 20)
        gateway.left.clear()
        gateway.answered = 0
        await gateway.alone("quiet", 0.05, 100)
        return gateway.left, gateway.answered / 5

    left, rate = run(story)
    assert sum(each > 0.45 for each in left) > 0.9 * len(left)
    assert rate > 150


def test_once_turns_are_over_the_loop_does_other_things_between_those_who_waited():
    async def story(gateway):
        await gateway.connection("busy", 1000)
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.3, 10)
        took = []
        loop = asyncio.get_running_loop()
        while len(took) < 11_000:
            began = loop.time()
            await asyncio.sleep(0.001)
            took.append(loop.time() - began)
        return max(took)

    assert run(story) < 0.02


@pytest.mark.parametrize("first", ["a", "b"])
def test_one_who_comes_after_another_has_left_does_not_wait(first):
    async def story(gateway):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(6):
            tenant = first if number % 2 else "other"
            await asyncio.gather(*(gateway.ask(tenant) for _ in range(1000)))
            await asyncio.sleep(3)
        return loop.time() - began - 18

    assert run(story) < 1.05 * 6000 * (ARRIVES + IS_ANSWERED)


@pytest.mark.parametrize("seconds", [3.0, 11.0, 100.0])
def test_who_comes_back_after_a_silence_is_answered(seconds):
    async def story(gateway):
        return await gateway.alone("one", seconds, 3)

    assert max(run(story)) < 2 * (ARRIVES + IS_ANSWERED)


def test_a_tenant_has_no_more_waiting_than_a_gateway_can_hold():
    async def story(gateway):
        await gateway.connection("busy")
        await asyncio.sleep(2)
        await gateway.alone("quiet", 0.05, 20)
        more = [
            asyncio.create_task(gateway._turns.turn("busy", others_wait=True)) for _ in range(2000)
        ]
        await asyncio.sleep(0.01)
        told = [each.exception() for each in more if each.done()]
        refused = [each for each in told if isinstance(each, Exhausted)]
        for each in more:
            each.cancel()
        await asyncio.gather(*more, return_exceptions=True)
        return refused

    refused = run(story)
    assert 2000 - 4 * 256 < len(refused) <= 2000 + CONNECTION - 4 * 256
    assert {each.reason for each in refused} == {"TOO_MANY_REQUESTS"}


async def test_a_request_is_let_in_when_it_is_its_turn():
    class Known(Everybody):
        async def caller(self, arrival):
            if not arrival.metadata:
                raise Forbidden("nobody knows you")
            return await super().caller(arrival)

    class NeverTheirs:
        async def turn(self, tenant, *, others_wait):
            asked.append((tenant, others_wait))
            await asyncio.Event().wait()

    async def ask(method, metadata):
        async with gate.admitted(Arrival(f"trueodds.v1.{method}", metadata)):
            pytest.fail("it is not its turn")

    asked, gate = [], Gate(1, Known())
    gate._turns = NeverTheirs()
    known, score = {"a": "b"}, "ScoringService/Score"
    for asks in ((score, known), ("ModelService/GetModel", known), (score, {})):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(*asks), 0.01)
    assert asked == [("", True), ("", False), ("?", False)]
