"""Lone questions of one tenant beside another's flood, on a simulated engine and in virtual time.

The engine plans its steps as vLLM does: what is begun, then what goes first; at most so many tokens
a step. A step takes a time that is fixed and one for each token.
"""

import asyncio
import heapq
import itertools
import math
import random
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest
from tests.virtual_time import VirtualTime

from trueodds_service import caller, urgency
from trueodds_service.caller import Caller
from trueodds_service.engine.hand_over import HandOver
from trueodds_service.errors import Exhausted, Expired

TOKENS, FULL_TOKENS = 600, 4096
# Of a question that was asked before; the last block is computed anew.
CACHED = 592
# To the engine's process and back.
WAY_SECONDS = 0.0005

# Seconds of a step and of each of its tokens, and whether the next one is planned meanwhile.
ENGINES = {
    "a large GPU": (0.005, 2e-6, True),
    "a small GPU": (0.010, 10e-6, True),
    "two cores": (0.030, 56e-6, False),
}


class Engine:
    def __init__(self, fixed, each, plans_ahead):
        self._fixed, self._each, self._plans_ahead = fixed, each, plans_ahead
        self._numbers = itertools.count()
        self._begun, self._waiting = [], []
        self._asked = asyncio.Event()
        self.working = asyncio.create_task(self._work())

    async def score(self, tokens, rank):
        await asyncio.sleep(WAY_SECONDS)
        done = asyncio.Event()
        request = [tokens, done]
        heapq.heappush(self._waiting, (rank, next(self._numbers), request))
        self._asked.set()
        try:
            await done.wait()
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(WAY_SECONDS, self._abort, request)
            raise
        await asyncio.sleep(WAY_SECONDS)

    def _abort(self, request):
        """What of it is in a step stays there."""
        self._begun = [each for each in self._begun if each is not request]
        self._waiting = [each for each in self._waiting if each[2] is not request]
        heapq.heapify(self._waiting)

    def _plan(self):
        """The tokens of a step, and who is done with it."""
        begun, self._begun, room = self._begun, [], FULL_TOKENS
        done = []
        while room and (begun or self._waiting):
            request = begun.pop(0) if begun else heapq.heappop(self._waiting)[2]
            taken = min(request[0], room)
            request[0] -= taken
            room -= taken
            (self._begun if request[0] else done).append(request)
        self._begun += begun
        return FULL_TOKENS - room, [each for _, each in done]

    async def _work(self):
        loop = asyncio.get_running_loop()
        ends = 0.0
        while True:
            tokens, done = self._plan()
            if not tokens:
                self._asked.clear()
                await self._asked.wait()
                continue
            starts = max(ends, loop.time())
            ends = starts + self._fixed + tokens * self._each
            loop.call_at(ends, lambda done=done: [each.set() for each in done])
            await asyncio.sleep((starts if self._plans_ahead else ends) - loop.time())


class Scene:
    """A quiet tenant and a busy one before an engine."""

    def __init__(self, engine):
        self._hand_over = HandOver(512, 0.1, FULL_TOKENS, clock=asyncio.get_running_loop().time)
        self._engine = Engine(*engine)
        self.capacity = FULL_TOKENS / TOKENS / (engine[0] + FULL_TOKENS * engine[1])
        self._tasks = [self._engine.working]
        self.answered = 0

    async def ask(self, tenant, *, in_bulk=False, seconds=None, cached=0):
        with ExitStack() as stack:
            stack.enter_context(caller.acting_for(Caller(tenant, "", frozenset())))
            stack.enter_context(urgency.hurrying(seconds, in_bulk=in_bulk))
            self._hand_over.check(in_bulk=in_bulk)
            call = stack.enter_context(self._hand_over.call(in_bulk=in_bulk))
            async with self._hand_over.turn(call, TOKENS) as request:
                await self._engine.score(TOKENS - cached, request.rank)
                request.cached = cached

    async def quiet(self, pause, count):
        """How long each of some lone questions takes, one after another."""
        loop, took = asyncio.get_running_loop(), []
        rng = random.Random(3)
        for _ in range(count):
            began = loop.time()
            await self.ask("quiet")
            took.append(loop.time() - began)
            await asyncio.sleep(pause * rng.uniform(0.9, 1.1))
        return took

    def flood(self, way, cached_part=0.0):
        """Three times what the engine can answer, one question a call; or bulk of ten seconds.

        This part of the questions is in the engine's cache.
        """
        rng = random.Random(4)

        def cached():
            return CACHED if rng.random() < cached_part else 0

        async def calls():
            async with asyncio.TaskGroup() as group:
                while True:
                    group.create_task(one())
                    await asyncio.sleep(1 / (3 * self.capacity))

        async def one():
            with suppress(Exhausted, Expired, TimeoutError):
                async with asyncio.timeout(5.0):
                    await self.ask("busy", seconds=5.0, cached=cached())
                self.answered += 1

        async def bulk():
            while True:
                await self.ask("busy", in_bulk=True, cached=cached())
                self.answered += 1

        if way == "calls":
            self._tasks.append(asyncio.create_task(calls()))
        else:
            self._tasks += [
                asyncio.create_task(bulk()) for _ in range(math.ceil(10 * self.capacity))
            ]

    async def rate(self, seconds):
        """Answers to the busy tenant, a second."""
        before = self.answered
        await asyncio.sleep(seconds)
        return (self.answered - before) / seconds

    def end(self):
        for task in self._tasks:
            task.cancel()


def played(monkeypatch, engine, way, pause, cached_part=0.0):
    """Seconds of a quiet tenant's question alone, of the first beside a flood and of others; and
    the answers a second to the flood, before and after.
    """

    async def whole():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(urgency, "time", SimpleNamespace(monotonic=loop.time))
        scene = Scene(engine)
        [alone] = await scene.quiet(pause=5.0, count=1)
        scene.flood(way, cached_part)
        await asyncio.sleep(3)
        before = await scene.rate(5)
        first, *others = await scene.quiet(pause, count=20)
        await asyncio.sleep(3)
        after = await scene.rate(5)
        scene.end()
        return alone, first, others, before, after

    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(whole())


@pytest.mark.parametrize("pause", [0.3, 1.3])
@pytest.mark.parametrize("way", ["calls", "bulk"])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_from_the_second_on_a_light_question_takes_at_most_twice_as_long_as_alone(
    engine, way, pause, monkeypatch
):
    alone, first, others, before, after = played(monkeypatch, engine, way, pause)
    fixed, each, plans_ahead = engine
    full = fixed + FULL_TOKENS * each
    assert max(others) <= 2 * alone
    # It waits for the step that is on, for the next one where that is planned, and shares its own.
    assert first <= (3 if plans_ahead else 2) * full + 2 * WAY_SECONDS + 1e-9
    capacity = FULL_TOKENS / TOKENS / full
    assert before > 0.9 * capacity, "the busy tenant had all there was"
    assert after > 0.9 * capacity, "and has it again"


@pytest.mark.parametrize("cached_part", [0.05, 0.5])
@pytest.mark.parametrize("way", ["calls", "bulk"])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_nor_beside_questions_of_which_some_are_cached(engine, way, cached_part, monkeypatch):
    alone, _, others, _, _ = played(monkeypatch, engine, way, 0.3, cached_part)
    # How much the engine computes of what it has is not known: also the second may find too much.
    # And a caller who leaves takes nothing out of the step that is on, while the next comes in.
    assert max(others[1:]) <= 2.3 * alone
