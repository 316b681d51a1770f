"""The processes of an engine, as the gateway sees them, behind handles that are not Serve's."""

import asyncio

import numpy as np
import pytest
from ray.exceptions import RayActorError

from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore
from trueodds_service.errors import Unavailable
from trueodds_service.serving.engines import RemoteEngine, RemoteEngines

PROMPTS = [TokenPrompt((number,) * 8, ((1,), (2,))) for number in range(64)]


class Process:
    """A handle and the process behind it: ``alive`` unless it was killed."""

    def __init__(self, name="process"):
        self.alive = True
        self.name = name
        self.asked = []
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.info = self.score = self

    def remote(self, prompts=None, adapter=None):
        return Call(self._score(prompts, adapter) if prompts is not None else self._info())

    async def _info(self):
        if not self.alive:
            raise RayActorError
        return EngineInfo(self.name, "1", "float32", 2048)

    async def _score(self, prompts, adapter):
        self.asked.append((len(prompts), adapter))
        await self.go_on.wait()
        if not self.alive:
            raise RayActorError
        return [
            TokenScore(np.array([-prompt.prompt[0], 0.0]), greedy=np.array([False, True]))
            for prompt in prompts
        ]


class Call:
    """What a handle's call returns: awaited, or cancelled."""

    def __init__(self, coroutine):
        self._task = asyncio.ensure_future(coroutine)

    def __await__(self):
        return asyncio.shield(self._task).__await__()

    def cancel(self):
        self._task.cancel()


class Engines:
    def __init__(self, count, **kind):
        self.processes = [Process(f"process {number}") for number in range(count)]
        self.lost = 0
        engines = [
            RemoteEngine("model", process, **{"is_adapter": False, **kind})
            for process in self.processes
        ]
        self.whole = RemoteEngines(engines, self._on_lost)

    async def _on_lost(self):
        self.lost += 1

    async def firsts(self, prompts=PROMPTS):
        return [score.continuations[0] for score in await self.whole.score(prompts)]


EXPECTED = [-prompt.prompt[0] for prompt in PROMPTS]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("trueodds_service.serving.engines._PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_scores_are_in_the_order_of_the_prompts(count):
    engines = Engines(count)
    await engines.whole.connect()
    assert engines.whole.info.name == "process 0"
    assert await engines.firsts() == EXPECTED
    # One call a process, never one a prompt.
    assert [len(process.asked) for process in engines.processes] == [1] * count


async def test_an_adapter_is_asked_by_its_name():
    engines = Engines(1, is_adapter=True)
    await engines.firsts(PROMPTS[:1])
    assert engines.processes[0].asked == [(1, "model")]


async def test_no_prompts_ask_nobody():
    engines = Engines(2)
    assert await engines.whole.score([]) == []
    assert not any(process.asked for process in engines.processes)


async def test_a_process_that_dies_is_awaited_and_its_prompts_are_not_lost():
    engines = Engines(2)
    dead, _ = engines.processes
    dead.alive = False
    call = asyncio.create_task(engines.firsts())
    await asyncio.sleep(0.05)
    assert not engines.lost, "the other one answers"
    before = len(dead.asked)
    assert await engines.firsts() == EXPECTED
    assert len(dead.asked) == before, "meanwhile the other one gets everything"
    dead.alive = True
    assert await call == EXPECTED
    await engines.firsts()
    assert len(dead.asked) > before


async def test_when_all_are_gone_the_model_is():
    engines = Engines(2)
    for process in engines.processes:
        process.alive = False
    call = asyncio.create_task(engines.firsts())
    await asyncio.sleep(0.05)
    assert engines.lost
    for process in engines.processes:
        process.alive = True
    assert await call == EXPECTED


async def test_an_engine_that_dies_again_and_again_is_unavailable():
    engines = Engines(1)
    [process] = engines.processes

    async def dies(prompts, adapter):
        raise RayActorError

    process._score = dies
    with pytest.raises(Unavailable) as caught:
        await engines.firsts()
    assert caught.value.reason == "ENGINE_LOST"


async def test_who_leaves_takes_the_prompts_along_and_frees_the_process():
    engines = Engines(2)
    for process in engines.processes:
        process.go_on.clear()
    call = asyncio.create_task(engines.firsts())
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert engines.whole._router._loads == [0, 0]
    for process in engines.processes:
        process.go_on.set()
    assert await engines.firsts() == EXPECTED
