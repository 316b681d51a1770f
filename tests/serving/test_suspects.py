"""A prompt that kills the engine: found, told so, and nobody else's loss."""

import asyncio
import itertools
import math

import grpc
import pytest
from ray.exceptions import RayActorError

from trueodds.v1 import question_pb2, scoring_pb2
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.link import connection
from trueodds_service.engine.link.connection import Listener
from trueodds_service.serving import engines
from trueodds_service.serving.engines import RemoteEngine, RemoteEngines
from trueodds_service.serving.suspects import Killers

SHARPNESS = 3.0
MARK = 17


class Mortal:
    """The handle of a process whose engine dies once it has seen the mark, and is replaced."""

    def __init__(self, folder, *, answers=True):
        self._folder = folder
        self._engine = FakeEngine(seed=7, sharpness=SHARPNESS)
        self._starts = itertools.count()
        self._listener = None
        self.deaths = 0
        self.seen = []
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._answers = answers

    @property
    def path(self):
        return self

    async def remote(self):
        if self._listener is None:
            raise RayActorError
        return self._socket

    async def start(self):
        self._listener = Listener(self._engine.info, self._score)
        self._socket = str(self._folder / f"engine-{next(self._starts)}")
        await self._listener.listen(self._socket)

    async def die(self):
        self.deaths += 1
        listener, self._listener = self._listener, None
        await listener.close(0)
        await self.start()

    async def close(self):
        await self._listener.close(0)

    async def _score(self, prompts, adapter):
        self.seen.append([prompt.prompt for prompt in prompts])
        self.arrived.set()
        await self.go_on.wait()
        # What else is under way is in the engine by now.
        await asyncio.sleep(0)
        if any(MARK in prompt.prompt for prompt in prompts):
            await self.die()
            await asyncio.Event().wait()
        return await self._engine.score(prompts, adapter)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(engines, "_PAUSE_SECONDS", 0.01)


async def started(folder, processes=1):
    handles = [Mortal(folder / str(number)) for number in range(processes)]
    for number, handle in enumerate(handles):
        (folder / str(number)).mkdir()
        await handle.start()
    killers = Killers()
    whole = RemoteEngines([RemoteEngine("model", each, killers) for each in handles], killers)
    await whole.connected()
    return handles, whole


@pytest.fixture
async def start(tmp_path):
    """Engines of so many processes: their handles, and the gateway's view of them."""
    made = []

    async def start(processes=1):
        made.append(await started(tmp_path, processes))
        return made[-1]

    yield start
    for handles, whole in made:
        whole.close()
        for handle in handles:
            await handle.close()


async def until(condition):
    while not condition():  # noqa: ASYNC110 (what is waited for is no event)
        await asyncio.sleep(0.001)


def prompts(*marked, count=100):
    return [
        TokenPrompt((number + 100, MARK if number in marked else 1), ((1,), (2,)))
        for number in range(count)
    ]


async def assert_only_the_marked_fail(handles, whole, asked, marked):
    outcomes = await whole.score(asked)
    right = await FakeEngine(seed=7, sharpness=SHARPNESS).score(asked)
    for place, (outcome, expected) in enumerate(zip(outcomes, right, strict=True)):
        if place in marked:
            assert outcome.reason == "ENGINE_KILLED"
        else:
            assert outcome.continuations.tolist() == expected.continuations.tolist()


@pytest.mark.parametrize("marked", [{0}, {99}, {41}, {3, 77}, {50, 51, 52}, set(range(100))])
async def test_the_prompts_that_kill_have_a_fault_and_all_others_their_scores(start, marked):
    [handle], whole = await start()
    await assert_only_the_marked_fail([handle], whole, prompts(*marked), marked)
    # One death shows that there is one, and each halving costs one at most.
    assert handle.deaths <= 1 + len(marked) * math.ceil(math.log2(100) + 1)


async def test_what_was_in_the_engine_is_only_tried_again_apart_from_what_was_not(start):
    [handle], whole = await start()
    handle.go_on.clear()
    suspect = asyncio.create_task(whole.score(prompts(4, count=8)))
    await handle.arrived.wait()
    handle.go_on.set()
    await until(lambda: not whole._engines[0].is_free)
    fresh = [TokenPrompt((number, 2), ((1,), (2,))) for number in range(500, 520)]
    await asyncio.gather(suspect, whole.score(fresh))
    for group in handle.seen:
        assert len({prompt[1] == 2 for prompt in group}) == 1
    [place] = [place for place, group in enumerate(handle.seen) if group[0][1] == 2]
    assert place == len(handle.seen) - 1, "they had the engine to themselves until one was found"


async def test_a_prompt_that_killed_is_refused_at_once(start):
    [handle], whole = await start()
    asked = prompts(0, count=2)
    await whole.score(asked)
    deaths = handle.deaths
    assert (await whole.score(asked))[0].reason == "ENGINE_KILLED"
    assert handle.deaths == deaths


async def test_a_process_that_dies_of_something_else_convicts_nobody(start):
    [handle], whole = await start()
    handle.go_on.clear()
    asked = prompts(count=30)
    calls = [asyncio.create_task(whole.score([each])) for each in asked]
    await until(lambda: len(handle.seen) == len(asked))
    await handle.die()
    handle.go_on.set()
    right = await FakeEngine(seed=7, sharpness=SHARPNESS).score(asked)
    for call, expected in zip(calls, right, strict=True):
        [outcome] = await call
        assert outcome.continuations.tolist() == expected.continuations.tolist()
    assert handle.deaths == 1


async def test_other_processes_go_on_while_one_finds_its_killer(start):
    handles, whole = await start(2)
    await assert_only_the_marked_fail(handles, whole, prompts(41), {41})
    assert sorted(handle.deaths > 0 for handle in handles) == [False, True]


async def test_a_process_that_says_nothing_is_taken_for_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_BEAT_SECONDS", 0.01)
    hello = asyncio.Event()

    async def only_say_hello(reader, writer):
        connection._send(writer, FakeEngine().info)
        hello.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(only_say_hello, tmp_path / "engine")
    lost = asyncio.Event()
    opened = await connection.Connection.open(str(tmp_path / "engine"), lost.set)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(opened.score(prompts(count=1), None), 30)
    assert lost.is_set()
    server.close()


async def test_a_process_that_beats_is_not_lost_however_long_it_computes(start, monkeypatch):
    monkeypatch.setattr(connection, "_BEAT_SECONDS", 0.01)
    send, beats = connection._send, []

    def counted(writer, message):
        if message == (connection._BEAT, None):
            beats.append(message)
        send(writer, message)

    monkeypatch.setattr(connection, "_send", counted)
    [handle], whole = await start()
    handle.go_on.clear()
    call = asyncio.create_task(whole.score(prompts(count=1)))
    await handle.arrived.wait()
    await until(lambda: call.done() or len(beats) > 4 * connection._BEATS_MISSED)
    handle.go_on.set()
    await call
    assert len(handle.seen) == 1, "lost, and asked again"


async def test_a_trial_ends_when_its_engine_is_closed(start):
    [handle], whole = await start()
    handle.go_on.clear()
    call = asyncio.create_task(whole.score(prompts(0, count=2)))
    await handle.arrived.wait()
    handle.arrived.clear()
    handle.go_on.set()
    await until(lambda: not whole._engines[0].is_free)
    handle.go_on.clear()
    await handle.arrived.wait()
    trial = whole._engines[0]._suspects._trying
    whole.close()
    await asyncio.wait({trial})
    assert trial.cancelled()
    call.cancel()


def test_one_of_501_questions_kills_the_engine(start_service, run, tmp_path):
    """Over gRPC, each in a call of its own: 500 right answers and one error."""
    [handle], whole = run(started(tmp_path))
    service = start_service(engines={"aligned": whole})
    plain = start_service(store=tmp_path / "other.sqlite")
    requests = []
    for number in range(501):
        question = question_pb2.Question(options=[{"token_ids": [n]} for n in (5, 6)])
        question.prompt.token_ids.ids.extend((number % 200 + 40, number // 200, 2))
        requests.append(
            scoring_pb2.ScoreRequest(
                settings=scoring_pb2.ScoreSettings(model="models/aligned"), question=question
            )
        )
    requests[333].question.prompt.token_ids.ids.append(MARK)

    async def under_way():
        handle.go_on.clear()

    async def let_go():
        await until(lambda: sum(map(len, handle.seen)) == 200)
        handle.go_on.set()

    run(under_way())
    calls = [service.scoring.Score.future(request) for request in requests[:100]]
    calls += [service.scoring.Score.future(request) for request in requests[300:400]]
    run(let_go())
    calls += [service.scoring.Score.future(request) for request in requests[100:300]]
    [killer] = [each for each in calls if each.exception() is not None]
    assert killer is calls[133]
    assert killer.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "ENGINE_KILLED" in str(killer.trailing_metadata())
    order = [*range(100), *range(300, 400), *range(100, 300)]
    for call, place in zip(calls, order, strict=True):
        if call is not killer:
            expected = plain.scoring.Score(requests[place]).answer
            assert [each.logprob for each in call.result().answer.options] == [
                each.logprob for each in expected.options
            ]
    run(_closed(handle, whole))


async def _closed(handle, whole):
    whole.close()
    await handle.close()


async def test_a_process_may_be_silent_for_some_beats_and_no_longer(tmp_path, monkeypatch):
    """Counted in its own pauses, so that the test waits for none of them."""
    pauses, over = [], asyncio.Event()
    sleep = asyncio.sleep

    async def paused(seconds):
        if seconds == connection._BEAT_SECONDS:
            pauses.append(seconds)
        await sleep(0)

    async def only_say_hello(reader, writer):
        connection._send(writer, FakeEngine().info)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(only_say_hello, tmp_path / "engine")
    monkeypatch.setattr(connection.asyncio, "sleep", paused)
    await connection.Connection.open(str(tmp_path / "engine"), over.set)
    await asyncio.wait_for(over.wait(), 30)
    assert sum(pauses) == 25.0
    server.close()
