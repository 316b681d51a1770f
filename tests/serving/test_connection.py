"""Calls over a socket: whose answer is whose, and what becomes of calls when an end is gone."""

import asyncio
import pickle
import struct

import numpy as np
import pytest

from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.link.connection import Connection, EngineFault, Listener

INFO = EngineInfo("played", "1", "float32", 2048, 32000)
PROMPT_TEXT = "a prompt"


class Engine:
    """Answers a prompt with its first token, once it may go on."""

    def __init__(self):
        self.asked = []
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()

    async def score(self, prompts, adapter):
        self.asked.append((len(prompts), adapter))
        if not prompts:
            raise ValueError(PROMPT_TEXT)
        try:
            await self.go_on.wait()
            # Of calls that are there at once the late ones first.
            for _ in range(1000 // prompts[0].prompt[0]):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return [
            TokenScore(np.array([-prompt.prompt[0]]), greedy=np.array([True])) for prompt in prompts
        ]


async def until(condition):
    """Waits for it, however slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)


async def until_nobody_listens(path):
    while True:
        try:
            connection = await Connection.open(path, lambda: None)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        connection.close()


def prompts(*firsts, length=8):
    return [TokenPrompt((first,) * length, ((1,),)) for first in firsts]


def firsts(scores):
    return [-score.continuations[0] for score in scores]


@pytest.fixture
def engine():
    engine = Engine()
    engine.go_on.set()
    return engine


@pytest.fixture
async def listener(engine, tmp_path):
    listener = Listener(INFO, engine.score)
    await listener.listen(str(tmp_path / "engine"))
    yield listener
    await listener.close(0)


@pytest.fixture
def lost():
    return []


@pytest.fixture
async def connection(listener, lost, tmp_path):
    connection = await Connection.open(str(tmp_path / "engine"), lambda: lost.append(None))
    yield connection
    connection.close()


async def test_it_says_who_answers(connection):
    assert connection.info == INFO


async def test_each_call_gets_its_own_answer(connection, engine):
    calls = [connection.score(prompts(n, n + 100), f"adapter {n}") for n in range(1, 50)]
    answers = await asyncio.gather(*calls)
    assert [firsts(each) for each in answers] == [[n, n + 100] for n in range(1, 50)]
    assert engine.asked == [(2, f"adapter {n}") for n in range(1, 50)]


async def test_long_messages(connection):
    many = prompts(*range(1, 200), length=20_000)
    assert firsts(await connection.score(many, None)) == list(range(1, 200))


async def test_who_leaves_takes_the_prompts_along(connection, engine):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    other = asyncio.create_task(connection.score(prompts(2), None))
    await until(lambda: len(engine.asked) == 2)
    call.cancel()
    await asyncio.wait_for(engine.cancelled.wait(), 60)
    engine.go_on.set()
    assert firsts(await other) == [2]


async def test_a_fault_says_its_kind_and_no_more(connection):
    with pytest.raises(EngineFault) as caught:
        await connection.score([], None)
    assert str(caught.value) == "ValueError"
    assert firsts(await connection.score(prompts(3), None)) == [3], "the engine lives on"


async def test_calls_fail_when_the_process_is_gone(connection, engine, listener, lost):
    engine.go_on.clear()
    calls = [asyncio.create_task(connection.score(prompts(n), None)) for n in (1, 2)]
    await until(lambda: len(engine.asked) == 2)
    await listener.close(0)
    for call in calls:
        with pytest.raises(ConnectionError):
            await call
    assert len(lost) == 1
    await asyncio.wait_for(connection.wait_lost(), 60)
    with pytest.raises(ConnectionError):
        await connection.score(prompts(3), None)


async def test_what_is_no_message_counts_as_gone(tmp_path, lost):
    async def talk(reader, writer):
        hello = pickle.dumps(INFO)
        writer.write(struct.pack("!Q", len(hello)) + hello + struct.pack("!Q", 7) + b"nothing")
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(talk, tmp_path / "engine")
    connection = await Connection.open(str(tmp_path / "engine"), lambda: lost.append(None))
    await asyncio.wait_for(connection.wait_lost(), 60)
    assert len(lost) == 1
    with pytest.raises(ConnectionError):
        await connection.score(prompts(1), None)
    server.close()


async def test_calls_end_in_the_engine_when_their_gateway_is_gone(connection, engine, lost):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    connection.close()
    with pytest.raises(ConnectionError):
        await call
    await asyncio.wait_for(engine.cancelled.wait(), 60)
    assert not lost, "it left, and was not left"


async def test_a_listener_that_closes_lets_calls_end(connection, engine, listener, tmp_path):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    closing = asyncio.create_task(listener.close(30))
    await asyncio.wait_for(until_nobody_listens(str(tmp_path / "engine")), 60)
    engine.go_on.set()
    assert firsts(await call) == [1]
    connection.close()
    await asyncio.wait_for(closing, 60)


async def test_where_nobody_listens(tmp_path):
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await Connection.open(str(tmp_path / "nobody"), lambda: None)


async def test_whoever_has_left_is_told_of_no_more_life(connection, engine, listener):
    def told():
        return [task for task in asyncio.all_tasks() if task.get_coro().__name__ == "_beat"]

    await connection.score(prompts(1), None)
    assert len(told()) == 1
    connection.close()
    await asyncio.wait_for(until(lambda: not told()), 60)
