"""A tenant's requests beside those of others, in a simulated gateway and in virtual time.

As in gRPC, what has arrived waits in one queue, of which the event loop takes one at a time, and a
connection holds a number of requests: the next is sent once one of them has its answer.
"""

import asyncio
import random
from collections import Counter, deque
from contextlib import suppress

import pytest
from tests.virtual_time import VirtualTime

from trueodds_service import urgency
from trueodds_service.edge.admission.turns import Turns
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import Everybody
from trueodds_service.errors import Exhausted, Expired, Forbidden, Unavailable

# What a request takes of the loop as it arrives, and as it is answered or refused.
ARRIVES, IS_ANSWERED = 0.0005, 0.0003
WHOLE = ARRIVES + IS_ANSWERED
# To the caller and back.
WAY_SECONDS = 0.001
CONNECTION = 512


class Gateway:
    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._worked = 0.0
        self.turns = Turns(self._loop.time, lambda: self._worked)
        self._arrived = deque()
        self._has_arrived = asyncio.Event()
        self._tasks = {asyncio.create_task(self._take())}
        # How many a second are answered of a tenant: what is more is refused.
        self.most = {}
        self._due = Counter()
        self.answered, self.began = Counter(), Counter()
        # Which part of their time was left as requests with a deadline began.
        self.left = []

    async def ask(self, tenant, seconds=None):
        """Returns how long it took."""
        began, answered = self._loop.time(), self._loop.create_future()
        self._arrived.append((tenant, seconds, answered))
        self._has_arrived.set()
        await answered
        return self._loop.time() - began

    def connection(self, tenant, requests=CONNECTION, seconds=None):
        """A caller who always has another request, each with so many ``seconds``."""

        async def request():
            while True:
                with suppress(Expired):
                    await self.ask(tenant, seconds)
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
                await self.turns.turn(tenant)
            self.began[tenant] += 1
            if seconds is not None:
                self.left.append(1 - (self._loop.time() - arrived) / seconds)
            with suppress(Exhausted), self.turns.counted(tenant):
                self._do(tenant)
        except Expired as error:
            if not answered.done():
                answered.set_exception(error)
            return
        if not answered.done():
            answered.set_result(None)

    def _do(self, tenant):
        self._work(IS_ANSWERED)
        now = self._loop.time()
        if tenant in self.most:
            if self._due[tenant] > now:
                raise Exhausted("", reason="OVERLOADED", retry_seconds=1.0)
            self._due[tenant] = max(self._due[tenant], now - 0.1) + 1 / self.most[tenant]
        self.answered[tenant] += 1

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


async def flooded(gateway, connections=1, tenant="busy", most=60, **options):
    gateway.most[tenant] = most
    for _ in range(connections):
        gateway.connection(tenant, **options)
    await asyncio.sleep(2)


async def begun_a_second(gateway):
    """Of the busy tenant's, in the next two seconds."""
    gateway.began.clear()
    await asyncio.sleep(2)
    return gateway.began["busy"] / 2


@pytest.mark.parametrize("pause", [0.02, 0.3])
@pytest.mark.parametrize("connections", [1, 9])
def test_another_hardly_waits_beside_a_flood_that_is_refused(pause, connections):
    async def story(gateway):
        await flooded(gateway, connections)
        first, _, *later = await gateway.alone("quiet", pause, 24)
        return first, sorted(later)

    first, later = run(story)
    # What had arrived before it goes before it: there was nobody to wait for.
    assert first < connections * CONNECTION * 2 * WHOLE
    assert later[len(later) // 2] < 4 * WHOLE
    assert later[-3] < 10 * WHOLE


@pytest.mark.parametrize("most", [10, 60, 300])
def test_a_flood_is_answered_as_much_as_without_others(most):
    async def story(gateway):
        await flooded(gateway, most=most)
        await gateway.alone("quiet", 0.05, 20)
        gateway.answered.clear()
        began = asyncio.get_running_loop().time()
        await gateway.alone("quiet", 0.05, 100)
        return gateway.answered["busy"] / (asyncio.get_running_loop().time() - began)

    assert run(story) > 0.9 * most


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("tenants", [2, 10, 100])
def test_ordinary_load_of_unequal_tenants_never_waits(share, tenants):
    dice = random.Random(1)
    names = [f"t{number}" for number in range(tenants)]
    weights = [1 / (number + 1) for number in range(tenants)]

    async def story(gateway):
        asked = []
        for _ in range(4000):
            await asyncio.sleep(dice.expovariate(share / WHOLE))
            (tenant,) = dice.choices(names, weights)
            asked.append(asyncio.create_task(gateway.ask(tenant, 5.0)))
        await asyncio.gather(*asked)
        return gateway.left

    left = run(story)
    assert min(left) > 0.999


@pytest.mark.parametrize("refused", [0.1, 0.4])
def test_who_is_refused_now_and_then_never_waits(refused):
    async def story(gateway):
        # The two connections ask some 900 a second together.
        gateway.most["busy"] = (1 - refused) * 900
        gateway.connection("busy", 1)
        await gateway.alone("quiet", 0.05, 100)
        took = await gateway.alone("busy", 0.001, 1000)
        return took, gateway.answered["busy"] / gateway.began["busy"]

    took, part = run(story)
    assert part < 1 - refused / 2
    assert max(took) < 5 * WHOLE


def test_who_is_alone_is_told_at_once():
    async def story(gateway):
        await flooded(gateway)
        return await begun_a_second(gateway)

    assert run(story) > 0.95 / WHOLE


def test_the_flood_has_all_again_once_the_others_have_left():
    async def story(gateway):
        await flooded(gateway)
        await gateway.alone("quiet", 0.05, 20)
        await asyncio.sleep(11)
        return await begun_a_second(gateway)

    assert run(story) > 0.95 / WHOLE


def test_floods_have_turns():
    async def story(gateway):
        await flooded(gateway, tenant="more")
        await flooded(gateway, tenant="much", requests=100)
        await gateway.alone("quiet", 0.05, 40)
        gateway.began.clear()
        await gateway.alone("quiet", 0.05, 60)
        return gateway.began

    began = run(story)
    assert began["much"] == pytest.approx(began["more"], rel=0.1)


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_loop_that_works_on_other_things_still_begins_requests(share):
    async def story(gateway):
        gateway.works_otherwise(share)
        await flooded(gateway)
        await gateway.alone("quiet", 0.3, 10)
        gateway.began.clear()
        await gateway.alone("quiet", 0.3, 20)
        return gateway.began["busy"] / 6

    assert run(story) > 100


@pytest.mark.parametrize("seconds", [0.5, 1.0, 5.0])
def test_requests_begin_with_time_left(seconds):
    async def story(gateway):
        await flooded(gateway, seconds=seconds)
        await gateway.alone("quiet", 0.05, 20)
        gateway.left.clear()
        await gateway.alone("quiet", 0.05, 100)
        return gateway.left

    left = run(story)
    assert sum(each > 0.45 for each in left) > 0.9 * len(left)
    assert len(left) > 5 * 150


def test_whose_deadline_passes_before_it_begins_is_told_so():
    async def story(gateway):
        await flooded(gateway)
        await gateway.alone("quiet", 0.05, 20)
        with urgency.hurrying(0.01), pytest.raises(Expired, match="could begin"):
            await gateway.turns.turn("busy")

    run(story)


def test_who_leaves_while_it_waits_takes_no_turn():
    async def story(gateway):
        await flooded(gateway)
        await gateway.alone("quiet", 0.05, 20)
        leaving = [asyncio.create_task(gateway.turns.turn("busy")) for _ in range(3000)]
        await asyncio.sleep(0)
        for each in leaving:
            each.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        gateway.began.clear()
        await gateway.alone("quiet", 0.05, 20)
        return gateway.began["busy"]

    assert run(story) > 300


def test_no_more_wait_than_a_gateway_can_hold():
    async def story(gateway):
        await flooded(gateway)
        await gateway.alone("quiet", 0.05, 20)
        asked = [asyncio.create_task(gateway.turns.turn("busy")) for _ in range(18_000)]
        await asyncio.sleep(0.01)
        at_once = sum(each.done() for each in asked)
        refused = sum(each.done() and each.exception() is not None for each in asked)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        return at_once, refused

    more = 18_000 - 16_384
    at_once, refused = run(story)
    assert more <= refused <= at_once <= more + CONNECTION + 20


@pytest.mark.parametrize("seconds", [3.0, 11.0, 100.0])
def test_who_was_refused_is_answered_after_a_silence(seconds):
    async def story(gateway):
        gateway.most["busy"] = 0.001
        await asyncio.gather(*(gateway.ask("busy") for _ in range(300)))
        await gateway.ask("quiet")
        assert gateway.turns._is_held("busy", asyncio.get_running_loop().time())
        return await gateway.alone("busy", seconds, 3)

    assert max(run(story)) < 5 * WHOLE


def test_a_burst_that_was_refused_is_forgotten():
    async def story(gateway):
        gateway.most["busy"] = 0.001
        await asyncio.gather(*(gateway.ask("busy") for _ in range(150)))
        await gateway.alone("quiet", 1.0, 5)
        return gateway.turns._is_held("busy", asyncio.get_running_loop().time())

    assert not run(story)


def test_who_is_in_a_long_stream_is_not_gone():
    async def story(gateway):
        with gateway.turns.counted("streams"):
            await flooded(gateway)
            await asyncio.sleep(30)
            return gateway.turns._is_held("busy", asyncio.get_running_loop().time())

    assert run(story)


def test_requests_that_are_refused_together_after_long_are_no_more_than_there_were():
    async def story(gateway):
        async def one():
            with suppress(Exhausted), gateway.turns.counted("busy"):
                await asyncio.sleep(20)
                raise Exhausted("", reason="OVERLOADED", retry_seconds=1.0)

        await asyncio.gather(*(one() for _ in range(100)))
        asked = gateway.turns._tenants["busy"]
        return asked.number, asked.refused, asked.under_way

    assert run(story) == (100, 100, 0)


async def test_a_gate_asks_whose_turn_it_is_and_tells_what_was_refused():
    class Known(Everybody):
        async def caller(self, arrival):
            if not arrival.metadata:
                raise Forbidden("nobody knows you")
            return await super().caller(arrival)

    class Recorder(Turns):
        async def turn(self, tenant):
            asked.append(tenant)

    async def ask(metadata, refusal=None):
        async with gate.admitted(Arrival("trueodds.v1.ModelService/GetModel", metadata)):
            if refusal is not None:
                raise refusal

    asked, gate = [], Gate(1, Known())
    turns = gate._turns = Recorder()
    await ask({"a": "b"})
    refused = Exhausted("", reason="R", retry_seconds=1.0)
    fault = Unavailable("the store is away", reason="STORE", retry_seconds=1.0)
    for metadata, refusal in (({"a": "b"}, refused), ({}, None), ({"a": "b"}, fault)):
        with pytest.raises((Unavailable, Forbidden)):
            await ask(metadata, refusal)
    assert asked == ["", "", "?", ""]
    told = {tenant: round(each.refused) for tenant, each in turns._tenants.items()}
    assert told == {"": 1, "?": 1}


async def test_a_gate_lets_nobody_in_before_its_turn():
    class NeverTheirs(Turns):
        async def turn(self, tenant):
            await asyncio.Event().wait()

    async def ask():
        async with gate.admitted(Arrival("trueodds.v1.ModelService/GetModel")):
            pytest.fail("it is not its turn")

    gate = Gate(1, Everybody())
    gate._turns = NeverTheirs()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 0.01)
