"""Light calls that are large, or that never end, on a simulated engine in virtual time."""

import asyncio
from contextlib import ExitStack

import pytest
from tests.engine.test_light_questions import Engine, VirtualTime

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.engine.hand_over import HandOver, Rank

FULL_TOKENS, TOKENS = 4096, 600


def played(scene):
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(asyncio.wait_for(scene, 600))


class Scene:
    def __init__(self, full_tokens=FULL_TOKENS):
        self.hand_over = HandOver(64, 0.1, full_tokens, clock=asyncio.get_running_loop().time)
        self.engine = Engine(0.005, 1e-4, plans_ahead=True)
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
        await asyncio.sleep(60)
        assert not never.done()
        never.cancel()
        scene.end()
        return before, scene.tokens["many"]

    before, after = played(scene())
    assert (after - before) / 60 > 0.9 * FULL_TOKENS / (0.005 + FULL_TOKENS * 1e-4)


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
        await asyncio.sleep(200)
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
