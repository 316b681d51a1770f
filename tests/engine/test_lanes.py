"""One kind of request at a time, and nobody waits for ever."""

import asyncio
import random

import pytest

from trueodds_service.engine.vllm.exclusive import Lanes


async def turn(count=1):
    """Turns of the event loop: time that no machine makes longer or shorter."""
    for _ in range(count):
        await asyncio.sleep(0)


class Road:
    """Lanes, and who is on them."""

    def __init__(self):
        self.lanes = Lanes()
        self.inside = []
        self.entered = []

    async def drive(self, name, turns=1):
        kind = name[0]
        async with self.lanes.of(kind):
            self.entered.append(name)
            self.inside.append(kind)
            assert set(self.inside) == {kind}
            try:
                await turn(turns)
            finally:
                self.inside.remove(kind)

    def start(self, *names, turns=10):
        return [asyncio.create_task(self.drive(name, turns)) for name in names]


async def test_one_kind_drives_side_by_side():
    road = Road()
    tasks = road.start("a1", "a2", "a3")
    await asyncio.sleep(0)
    assert road.inside == ["a", "a", "a"]
    await asyncio.gather(*tasks)


async def test_the_other_kind_waits_until_the_road_is_empty_and_then_goes_together():
    road = Road()
    await asyncio.gather(*road.start("a1", "a2", "b1", "a3", "b2", "a4"))
    assert road.entered == ["a1", "a2", "b1", "b2", "a3", "a4"]


async def test_a_kind_that_keeps_coming_lets_the_other_through():
    road = Road()
    tasks = road.start("a0", "b")
    for number in range(1, 50):
        await turn()
        tasks += road.start(f"a{number}", turns=5)
    await asyncio.gather(*tasks)
    assert road.entered[:2] == ["a0", "b"]


async def test_who_gives_up_keeps_nobody_of_the_kind_inside_waiting():
    road = Road()
    inside, gone, behind = road.start("a1", "b", "a2", turns=10**9)
    await turn()
    gone.cancel()
    await turn(20)
    assert road.entered == ["a1", "a2"]
    for each in (inside, behind):
        each.cancel()


@pytest.mark.parametrize("seed", range(20))
async def test_kinds_never_mix_whoever_gives_up(seed):
    rng = random.Random(seed)
    road = Road()
    tasks = []
    for number in range(60):
        tasks += road.start(f"{rng.choice('ab')}{number}", turns=rng.choice([1, 3]))
        if rng.random() < 0.3:
            rng.choice(tasks).cancel()
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(each) for each in outcomes} <= {type(None), asyncio.CancelledError}
    # The road is free again, for either kind.
    await asyncio.gather(*road.start("a", "b"))


async def test_who_fails_makes_way():
    lanes = Lanes()
    with pytest.raises(RuntimeError):
        async with lanes.of("a"):
            raise RuntimeError
    async with asyncio.timeout(1), lanes.of("b"):
        pass


async def test_those_who_gave_up_keep_nobody_waiting():
    lanes = Lanes()
    async with lanes.of("a"):
        tasks = [asyncio.create_task(_pass(lanes, "b")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(_pass(lanes, "b"), 5)


async def _pass(lanes, kind):
    async with lanes.of(kind):
        pass
