"""Calls over a socket: whose answer is whose, and what becomes of calls when an end is gone."""

import asyncio
import contextlib
import socket

import psutil
import pytest
import zmq
import zmq.asyncio

from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.link import beats, messages
from trueodds_service.engine.link import connection as connection_module
from trueodds_service.engine.link import listener as listener_module
from trueodds_service.engine.link.connection import Busy, Connection, EngineFault, NotSent
from trueodds_service.engine.link.curve_keys import CurveKeys
from trueodds_service.engine.link.listener import Listener

INFO = EngineInfo("played", "1", "float32", 2048, 32000)
PROMPT_TEXT = "a prompt"


def by_first_token(prompt):
    return TokenScore((-prompt.prompt[0],), (True,))


class Engine:
    """Answers a prompt with its first token, once it may go on."""

    def __init__(self):
        self.asked = []
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()
        self.answer = by_first_token

    async def score(self, prompts, adapter):
        self.asked.append((len(prompts), adapter))
        if not prompts:
            raise ValueError(PROMPT_TEXT)
        try:
            # Late calls first.
            await asyncio.sleep(0.01 / prompts[0].prompt[0])
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return [self.answer(prompt) for prompt in prompts]


async def until(condition):
    """Waits for it, however slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)


async def test_where_nothing_can_be_connected_to_nothing_stays_open():
    async def attempts():
        for _ in range(10):
            with pytest.raises(zmq.ZMQError):
                await Connection.open("ipc:///" + "x" * 200, lambda: None)

    await attempts()
    before = psutil.Process().num_fds()
    await attempts()
    await until(lambda: psutil.Process().num_fds() <= before)


async def until_nobody_listens(path):
    while True:
        try:
            connection = await Connection.open(path, lambda: None)
        except ConnectionRefusedError:
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
    listener.listen(f"ipc://{tmp_path}/engine")
    yield listener
    listener.drop()


@pytest.fixture
def lost():
    return []


@pytest.fixture
async def connection(listener, lost, tmp_path):
    connection = await Connection.open(f"ipc://{tmp_path}/engine", lambda: lost.append(None))
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


async def test_an_answer_that_is_no_score_fails_its_call_alone(connection, engine):
    engine.answer = lambda prompt: None
    with pytest.raises(EngineFault):
        await connection.score(prompts(1), None)
    engine.answer = by_first_token
    assert firsts(await connection.score(prompts(3), None)) == [3], "the engine lives on"


async def test_calls_fail_when_the_process_is_gone(connection, engine, listener, lost, caplog):
    engine.go_on.clear()
    calls = [asyncio.create_task(connection.score(prompts(n), None)) for n in (1, 2)]
    await until(lambda: len(engine.asked) == 2)
    listener.drop()
    for call in calls:
        with pytest.raises(ConnectionError):
            await call
    assert len(lost) == 1
    assert caplog.text == "", "it is noticed at once, and not by its silence"
    await asyncio.wait_for(connection.wait_lost(), 60)
    with pytest.raises(ConnectionError):
        await connection.score(prompts(3), None)


@contextlib.asynccontextmanager
async def greeted(folder, lost):
    """How to send from an engine's place where hello was said and nothing else, and to whom."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(f"ipc://{folder}/engine")
        opening = asyncio.create_task(
            Connection.open(f"ipc://{folder}/engine", lambda: lost.append(None))
        )
        caller, _ = await socket.recv_multipart()
        await socket.send_multipart([caller, messages.encode(messages.Hello(INFO))])
        yield lambda body: socket.send_multipart([caller, body]), await opening


async def test_what_is_no_message_counts_as_gone(tmp_path, lost):
    async with greeted(tmp_path, lost) as (send, connection):
        await send(b"nothing")
        await asyncio.wait_for(connection.wait_lost(), 60)
    assert len(lost) == 1
    with pytest.raises(ConnectionError):
        await connection.score(prompts(1), None)


@pytest.fixture
def fast_beats(monkeypatch):
    for module in (connection_module, listener_module):
        monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)


@pytest.mark.usefixtures("fast_beats")
async def test_a_process_that_says_nothing_is_taken_for_lost(tmp_path, lost):
    async with greeted(tmp_path, lost) as (_, connection):
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(connection.score(prompts(1), None), 60)
    assert len(lost) == 1


@pytest.mark.usefixtures("fast_beats")
async def test_a_process_that_beats_is_not_lost_however_long_it_computes(engine, connection, lost):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    await asyncio.sleep(0.01 * beats._MISSED * 4)
    engine.go_on.set()
    assert firsts(await call) == [1]
    assert not lost


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
    closing = asyncio.create_task(listener.close(1000))
    await asyncio.wait_for(until_nobody_listens(f"ipc://{tmp_path}/engine"), 60)
    engine.go_on.set()
    assert firsts(await call) == [1]
    connection.close()
    await asyncio.wait_for(closing, 60)


async def test_a_call_that_outlasts_the_grace_is_to_be_made_elsewhere(
    connection, engine, listener, lost
):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    closing = asyncio.create_task(listener.close(0.01))
    with pytest.raises(Busy):
        await call
    await asyncio.wait_for(closing, 60)
    assert engine.cancelled.is_set()
    assert len(lost) == 1


@pytest.mark.parametrize("frames", [[b"\xc1"], [b"", b"\x91\xa8Greeting"], []])
async def test_what_cannot_be_read_costs_nobody_else_anything(connection, tmp_path, frames):
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.connect(f"ipc://{tmp_path}/engine")
        await socket.send_multipart(frames or [b""])
        assert messages.decode_from_engine(await socket.recv()) == messages.Forgotten()
        assert firsts(await connection.score(prompts(1), None)) == [1]


async def test_who_was_taken_for_gone_learns_of_it_and_has_no_suspects(
    connection, engine, listener, lost
):
    engine.go_on.clear()
    before = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    [name] = listener._callers
    listener._forget(name)
    after = asyncio.create_task(connection.score(prompts(2), None))
    for call in (before, after):
        with pytest.raises(NotSent):
            await call
    assert len(lost) == 1
    assert engine.asked == [(1, None)]


@pytest.fixture
async def other(listener, tmp_path):
    """Another gateway's connection."""
    connection = await Connection.open(f"ipc://{tmp_path}/engine", lambda: None)
    yield connection
    connection.close()


async def test_who_is_gone_takes_nobody_elses_calls_along(connection, other, engine):
    engine.go_on.clear()
    calls = [
        asyncio.create_task(each.score(prompts(number), None))
        for number, each in ((1, connection), (2, other))
    ]
    await until(lambda: len(engine.asked) == 2)
    connection.close()
    await asyncio.wait_for(engine.cancelled.wait(), 60)
    engine.go_on.set()
    assert firsts(await calls[1]) == [2]
    with pytest.raises(ConnectionError):
        await calls[0]


async def test_a_call_that_has_to_be_alone_waits_for_others_and_lets_in_none(
    connection, other, engine, listener
):
    engine.go_on.clear()
    before = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    alone = asyncio.create_task(other.score(prompts(2), None, alone=True))
    await until(lambda: listener._calls._turns._has_alone)
    assert other.is_busy
    assert not connection.is_busy, "nobody has told it"
    for each in (connection, other):
        with pytest.raises(Busy):
            await each.score(prompts(3), None)
        with pytest.raises(Busy):
            await each.score(prompts(3), None, alone=True)
    assert connection.is_busy
    assert engine.asked == [(1, None)]
    engine.go_on.set()
    assert firsts(await before) == [1]
    assert firsts(await alone) == [2]
    await until(lambda: not connection.is_busy and not other.is_busy)
    assert firsts(await connection.score(prompts(4), None)) == [4]


async def test_who_waits_to_be_alone_and_leaves_frees_the_engine(connection, other, engine):
    engine.go_on.clear()
    before = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    alone = asyncio.create_task(other.score(prompts(2), None, alone=True))
    await until(lambda: other.is_busy)
    with pytest.raises(Busy):
        await connection.score(prompts(3), None)
    alone.cancel()
    await until(lambda: not connection.is_busy and not other.is_busy)
    engine.go_on.set()
    assert firsts(await connection.score(prompts(3), None)) == [3]
    assert firsts(await before) == [1]


@pytest.mark.parametrize("started", [False, True])
async def test_a_call_that_was_to_be_alone_was_in_the_engine_once_it_started(
    connection, other, engine, listener, started
):
    engine.go_on.clear()
    if not started:
        waiting = asyncio.create_task(connection.score(prompts(1), None))
        await until(lambda: engine.asked)
    alone = asyncio.create_task(other.score(prompts(2), None, alone=True))
    if started:
        await until(lambda: any(call.is_started for call in other._calls.values()))
    else:
        await until(lambda: listener._calls._turns._has_alone)
    listener.drop()
    with pytest.raises(ConnectionError) as caught:
        await alone
    assert isinstance(caught.value, NotSent) != started
    if not started:
        with pytest.raises(ConnectionError) as caught:
            await waiting
        assert not isinstance(caught.value, NotSent)


async def test_a_process_that_closes_gets_nothing_new_and_ends_when_its_calls_have(
    connection, engine, listener, lost
):
    engine.go_on.clear()
    call = asyncio.create_task(connection.score(prompts(1), None))
    await until(lambda: engine.asked)
    closing = asyncio.create_task(listener.close(1000))
    await until(lambda: lost)
    with pytest.raises(NotSent):
        await connection.score(prompts(2), None)
    engine.go_on.set()
    assert firsts(await call) == [1]
    await asyncio.wait_for(closing, 60)
    await asyncio.wait_for(connection.wait_lost(), 60)
    assert len(lost) == 1


async def test_where_nobody_listens(tmp_path):
    with pytest.raises(ConnectionRefusedError):
        await Connection.open(f"ipc://{tmp_path}/nobody", lambda: None)


@pytest.fixture
def keys():
    return CurveKeys.make()


@pytest.fixture
async def guarded(engine, keys):
    listener = Listener(INFO, engine.score, keys)
    yield listener.listen("tcp://127.0.0.1:*")
    listener.drop()


async def test_between_nodes_it_takes_the_keys(guarded, keys):
    connection = await Connection.open(guarded, lambda: None, keys)
    assert firsts(await connection.score(prompts(3), None)) == [3]
    connection.close()


@pytest.mark.parametrize("theirs", ["none", "others"])
async def test_nobody_else_is_let_in(guarded, keys, engine, theirs):
    other = None if theirs == "none" else CurveKeys.make()
    with pytest.raises(ConnectionRefusedError):
        await Connection.open(guarded, lambda: None, other)
    assert engine.asked == []


async def test_who_knows_the_public_key_alone_is_not_let_in(guarded, keys, engine, monkeypatch):
    own = CurveKeys.make()
    socket = zmq.asyncio.Context.instance().socket(zmq.DEALER)
    socket.curve_publickey, socket.curve_secretkey = own.public, own.secret
    socket.curve_serverkey = keys.public
    socket.connect(guarded)
    await socket.send(messages.encode(messages.Greeting()))
    assert not await socket.poll(500)
    socket.close(0)


async def test_nodes_may_have_addresses_of_ipv6(engine, keys):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    listener = Listener(INFO, engine.score, keys)
    connection = await Connection.open(listener.listen("tcp://[::1]:*"), lambda: None, keys)
    assert firsts(await connection.score(prompts(3), None)) == [3]
    connection.close()
    listener.drop()
