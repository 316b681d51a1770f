"""Light calls that are large, or that never end, on a simulated engine in virtual time."""

import asyncio
from contextlib import ExitStack

import pytest
from tests.engine.test_light_questions import ENGINES, Engine
from tests.virtual_time import VirtualTime

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.engine.hand_over import HandOver, Rank

FULL_TOKENS, TOKENS = 4096, 600


def played(scene):
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(asyncio.wait_for(scene, 600))


class Scene:
    def __init__(self, engine=(0.005, 1e-4, True)):
        self.hand_over = HandOver(64, 0.1, FULL_TOKENS, clock=asyncio.get_running_loop().time)
        self.engine = Engine(*engine)
        self.tokens = {}
        self.tasks = []

    async def ask(self, tenant, sizes, score=None):
        with ExitStack() as stack:
            stack.enter_context(caller.acting_for(Caller(tenant, "", frozenset())))
            call = stack.enter_context(self.hand_over.call(in_bulk=False))

            async def request(tokens):
                async with self.hand_over.turn(call, tokens) as request:
                    await (score or self.engine.score)(tokens, request.rank)
                self.tokens[tenant] = self.tokens.get(tenant, 0) + tokens

            await gather_or_cancel(request(tokens) for tokens in sizes)

    def keep_asking(self, tenant, sizes, callers):
        async def forever():
            while True:
                await self.ask(tenant, sizes)

        self.tasks += [asyncio.create_task(forever()) for _ in range(callers)]

    def end(self):
        for task in (*self.tasks, self.engine.working):
            task.cancel()


def test_a_light_call_that_never_ends_blocks_nobody_for_long():
    async def scene():
        scene = Scene()
        scene.keep_asking("many", [TOKENS], callers=200)
        await asyncio.sleep(5)
        never = asyncio.create_task(scene.ask("hung", [10], lambda *_: asyncio.Event().wait()))
        await asyncio.sleep(5)
        before = scene.tokens["many"]
        await asyncio.sleep(20)
        assert not never.done()
        never.cancel()
        scene.end()
        return before, scene.tokens["many"]

    before, after = played(scene())
    assert (after - before) / 20 > 0.9 * FULL_TOKENS / (0.005 + FULL_TOKENS * 1e-4)


@pytest.mark.parametrize("sizes", [[TOKENS], [TOKENS] * 8, [TOKENS] * 200, [8000] * 20])
@pytest.mark.parametrize("quiet", [1, 2])
def test_who_always_has_one_call_takes_no_more_than_who_has_many(sizes, quiet):
    async def scene():
        scene = Scene()
        scene.keep_asking("many", [TOKENS], callers=200)
        await asyncio.sleep(5)
        for number in range(quiet):
            scene.keep_asking(f"quiet{number}", sizes, callers=1)
        before = scene.tokens["many"]
        await asyncio.sleep(40)
        scene.end()
        return scene.tokens["many"] - before, scene.tokens.get("quiet0", 0)

    many, quiet_one = played(scene())
    assert many > 0.8 * quiet_one
    assert quiet_one


def test_a_call_of_more_than_a_full_step_is_light_up_to_that():
    async def scene():
        scene = Scene()
        scene.keep_asking("many", [TOKENS], callers=200)
        await asyncio.sleep(5)
        ranks = []

        async def score(tokens, rank):
            ranks.append(rank)

        await scene.ask("large", [1000] * 10, score)
        await scene.ask("longer than a step", [9000], score)
        scene.end()
        return ranks

    ranks = played(scene())
    assert ranks == [Rank.LIGHT] * 4 + [Rank.LONE] * 6 + [Rank.LIGHT]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_tiny_questions_now_and_then_leave_the_others_a_part_of_the_engine(engine):
    async def scene():
        scene, loop = Scene(engine), asyncio.get_running_loop()
        scene.keep_asking("many", [60], callers=400)
        await asyncio.sleep(5)
        before = scene.tokens["many"]
        await asyncio.sleep(5)
        middle = scene.tokens["many"]
        took = []
        for _ in range(4):
            began = loop.time()
            await scene.ask("tiny", [10])
            took.append(loop.time() - began)
            await asyncio.sleep(1.9)
        alone, meanwhile = (
            (middle - before) / 5,
            (scene.tokens["many"] - middle) / (4 * 1.9 + sum(took)),
        )
        scene.end()
        return meanwhile / alone, max(took[1:])

    share, longest = played(scene())
    fixed, each, _ = engine
    assert share > 0.2
    assert longest < 2 * (2 * fixed + FULL_TOKENS / 8 * each)
