"""The processes of an engine, as the gateway sees them, behind handles that are not Serve's."""

import asyncio
import itertools

import numpy as np
import pytest
from ray.exceptions import RayActorError

from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.link.connection import Listener
from trueodds_service.errors import Unavailable
from trueodds_service.serving.engines import RemoteEngine, RemoteEngines
from trueodds_service.serving.suspects import Killers

PROMPTS = [TokenPrompt((number,) * 8, ((1,), (2,))) for number in range(64)]


class Process:
    """A deployment's handle, and the process behind it: a socket, until it is killed."""

    def __init__(self, folder, name):
        self._folder = folder
        self.name = name
        self.asked = []
        self.dies_at_once = False
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._listener = None
        self._starts = itertools.count()

    @property
    def path(self):
        return self

    async def remote(self):
        """The socket's path, as ``handle.path.remote()`` tells it."""
        if self._listener is None:
            raise RayActorError
        return self._socket

    async def start(self):
        self._listener = Listener(EngineInfo(self.name, "1", "float32", 2048, 32000), self._score)
        self._socket = str(self._folder / f"{self.name}-{next(self._starts)}")
        await self._listener.listen(self._socket)

    async def kill(self):
        listener, self._listener = self._listener, None
        await listener.close(0)

    async def _score(self, prompts, adapter):
        self.asked.append((len(prompts), adapter))
        if self.dies_at_once:
            await self.kill()
            await self.start()
        await self.go_on.wait()
        return [
            TokenScore(np.array([-prompt.prompt[0], 0.0]), greedy=np.array([False, True]))
            for prompt in prompts
        ]


class Engines:
    """The processes, and the gateway's view of them."""

    def __init__(self, processes, *, is_adapter=False):
        self.processes = processes
        killers = Killers()
        self.each = [RemoteEngine("model", each, killers) for each in processes]
        self.whole = RemoteEngines(self.each, killers, adapter="model" if is_adapter else None)

    async def firsts(self, prompts=PROMPTS):
        return [score.continuations[0] for score in await self.whole.score(prompts)]


@pytest.fixture
async def start(tmp_path):
    """Starts engines of so many processes."""
    started = []

    async def start(count, **kind):
        processes = [Process(tmp_path, f"process {number}") for number in range(count)]
        for process in processes:
            await process.start()
        started.append(Engines(processes, **kind))
        return started[-1]

    yield start
    for engines in started:
        engines.whole.close()
        for process in engines.processes:
            await process.kill()


async def until(condition):
    """Waits for it, however slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)


EXPECTED = [-prompt.prompt[0] for prompt in PROMPTS]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("trueodds_service.serving.engines._PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_scores_are_in_the_order_of_the_prompts(start, count):
    engines = await start(count)
    await engines.whole.connected()
    assert engines.whole.info.name == "process 0"
    assert await engines.firsts() == EXPECTED
    # One call a process, never one a prompt.
    assert [len(process.asked) for process in engines.processes] == [1] * count


async def test_an_adapter_is_asked_by_its_name(start):
    engines = await start(1, is_adapter=True)
    await engines.firsts(PROMPTS[:1])
    assert engines.processes[0].asked == [(1, "model")]


async def test_no_prompts_ask_nobody(start):
    engines = await start(2)
    assert await engines.whole.score([]) == []
    assert not any(process.asked for process in engines.processes)


async def test_a_process_that_dies_is_awaited_and_its_prompts_are_not_lost(start):
    engines = await start(2)
    await engines.whole.connected()
    dying, _ = engines.processes
    dying.go_on.clear()
    call = asyncio.create_task(engines.firsts())
    await until(lambda: dying.asked)
    await dying.kill()
    await until(lambda: engines.each[0].is_lost)
    before = len(dying.asked)
    assert await engines.firsts() == EXPECTED, "meanwhile the other one gets everything"
    assert len(dying.asked) == before
    dying.go_on.set()
    await dying.start()
    assert await call == EXPECTED
    await engines.firsts()
    assert len(dying.asked) > before


async def test_an_engine_is_lost_when_all_its_processes_are(start):
    engines = await start(2)
    await engines.whole.connected()
    lost = asyncio.create_task(engines.whole.wait_lost())
    for process in engines.processes:
        await process.kill()
        await process.start()
        await engines.whole.connected()
    assert not lost.done(), "one after another is not all at once"
    for process in engines.processes:
        await process.kill()
    await lost
    call = asyncio.create_task(engines.firsts())
    for process in engines.processes:
        await process.start()
    assert await call == EXPECTED


async def test_prompts_that_all_kill_are_all_told_so(start):
    engines = await start(1)
    engines.processes[0].dies_at_once = True
    outcomes = await engines.whole.score(PROMPTS[:4])
    assert [outcome.reason for outcome in outcomes] == ["ENGINE_KILLED"] * 4


async def test_an_engine_that_does_not_come_back_is_unavailable(start, monkeypatch):
    for bound in ("_PATIENCE_SECONDS", "_TRIAL_SECONDS"):
        monkeypatch.setattr(f"trueodds_service.serving.engines.{bound}", 0.05)
    engines = await start(1)
    await engines.whole.connected()
    await engines.processes[0].kill()
    with pytest.raises(Unavailable) as caught:
        await engines.firsts()
    assert caught.value.reason == "ENGINE_LOST"
    await engines.processes[0].start()
    await engines.whole.connected()
    assert await engines.firsts() == EXPECTED


async def test_who_leaves_takes_the_prompts_along_and_frees_the_process(start):
    engines = await start(2)
    for process in engines.processes:
        process.go_on.clear()
    call = asyncio.create_task(engines.firsts())
    await until(lambda: all(process.asked for process in engines.processes))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert engines.whole._router._loads == [0, 0]
    for process in engines.processes:
        process.go_on.set()
    assert await engines.firsts() == EXPECTED


async def test_nobody_is_connected_once_they_are_closed(start):
    engines = await start(2)
    await engines.whole.connected()
    engines.whole.close()
    for process in engines.processes:
        # It gives whoever is connected a minute to leave.
        await asyncio.wait_for(process._listener.close(60), 30)
