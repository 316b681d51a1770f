"""Whose a call is and how it hurries travel with it, and so does its refusal."""

import asyncio
from types import SimpleNamespace

import pytest

from trueodds_service import caller, urgency
from trueodds_service.caller import Caller
from trueodds_service.engine.base import EngineInfo, TokenPrompt, TokenScore
from trueodds_service.engine.link.connection import Connection
from trueodds_service.engine.link.listener import Listener
from trueodds_service.errors import Exhausted, Expired

INFO = EngineInfo("played", "1", "float32", 2048, 32000)
PROMPT = TokenPrompt((1, 2, 3), ((1,),))


class Engine:
    """Notes who asks and how he hurries; raises what it is given."""

    def __init__(self):
        self.seen, self.charged = [], []
        self.error = None

    async def score(self, prompts, adapter):
        bulk = urgency.is_in_bulk(len(prompts))
        self.charged.append(caller.current().charged)
        self.seen.append((caller.current().tenant, urgency.seconds_left(), bulk))
        if self.error:
            raise self.error
        return [TokenScore((0.0,), (True,)) for _ in prompts]


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
async def connection(engine, tmp_path):
    listener = Listener(INFO, engine.score)
    connection = await Connection.open(listener.listen(f"ipc://{tmp_path}/e"), lambda: None)
    yield connection
    connection.close()
    listener.drop()


async def test_each_call_has_its_own(connection, engine):
    for tenant, seconds, bulk in (("a", 50.0, True), ("b", None, False), ("", 1e6, None)):
        with (
            caller.acting_for(Caller(tenant, "somebody", frozenset())),
            urgency.hurrying(seconds, in_bulk=bulk),
        ):
            await connection.score([PROMPT], None)
    (a, a_left, a_bulk), (b, b_left, b_bulk), (c, c_left, c_bulk) = engine.seen
    assert (a, b, c) == ("a", "b", "")
    assert 0 < a_left <= 50.0
    assert b_left is None
    assert 50.0 < c_left <= 1e6
    assert (a_bulk, b_bulk, c_bulk) == (True, False, False)
    assert engine.charged == ["a", "b", ""]


async def test_whose_share_is_used_up_is_told_where_it_is_another_s(connection, engine):
    with caller.acting_for(Caller("theirs", "an administrator", frozenset(), "own")):
        await connection.score([PROMPT], None)
    [(tenant, _, _)] = engine.seen
    assert (tenant, engine.charged) == ("theirs", ["own"])


async def test_who_waited_for_room_has_less_time_left(connection, engine, monkeypatch):
    loop, now = asyncio.get_running_loop(), [0.0]
    monkeypatch.setattr(urgency, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with connection._room.taken(2**40):
        with urgency.hurrying(50.0):
            call = loop.create_task(connection.score([PROMPT], None))
        await asyncio.sleep(0)
        now[0] = 20.0
    await call
    assert engine.seen[0][1] == pytest.approx(30.0)


async def test_a_part_of_bulk_is_in_bulk_as_the_whole_is(connection, engine):
    with urgency.hurrying(None), urgency.settled(prompts=100):
        await connection.score([PROMPT], None)
    assert engine.seen[0][2] is True


@pytest.mark.parametrize(
    "error",
    [Expired("too late"), Exhausted("too much", reason="OVERLOADED", retry_seconds=2.5)],
    ids=["expired", "exhausted"],
)
async def test_a_refusal_arrives_as_what_it_was(connection, engine, error):
    engine.error = error
    with pytest.raises(type(error)) as caught:
        await connection.score([PROMPT], None)
    assert caught.value.message == error.message
    assert caught.value.reason == error.reason
    if isinstance(error, Exhausted):
        assert caught.value.retry_seconds == 2.5
    engine.error = None
    assert len(await connection.score([PROMPT], None)) == 1, "and the connection lives on"


@pytest.mark.parametrize(("count", "in_bulk"), [(1, False), (8, False), (9, True)])
async def test_few_prompts_are_in_a_hurry_unless_told(connection, engine, count, in_bulk):
    await connection.score([PROMPT] * count, None)
    assert engine.seen[0][2] is in_bulk
