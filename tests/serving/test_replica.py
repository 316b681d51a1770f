"""An engine's process without Ray: how it warms up, what it answers, and how it ends."""

import asyncio
from types import SimpleNamespace

import pytest

from trueodds_service.config import ModelSettings
from trueodds_service.engine.base import EngineInfo, TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.link.connection import Connection
from trueodds_service.serving import engines
from trueodds_service.serving.engines import EngineReplica, warm_up

PROMPT = TokenPrompt((5,) * 8, ((1,), (2,)))


class Recording(FakeEngine):
    """Keeps what it is asked, and whether it was closed."""

    def __init__(self, **kind):
        super().__init__(**kind)
        self.asked = []
        self.is_closed = False

    async def score(self, prompts, adapter=None):
        self.asked.append((list(prompts), adapter))
        return await super().score(prompts, adapter)

    def close(self):
        self.is_closed = True


class Opened(EngineReplica):
    """A replica that Serve does not stop."""

    def __del__(self):
        pass


class Ended(Exception):
    pass


@pytest.fixture
def family(monkeypatch):
    """This process with a child and a grandchild; all that were killed, and the exit status."""
    killed = []
    young = SimpleNamespace(kill=lambda: killed.append("grandchild"))
    child = SimpleNamespace(kill=lambda: killed.append("child"))
    process = SimpleNamespace(
        children=lambda recursive=False: [child, young] if recursive else [child]
    )

    def leave(status):
        killed.append(status)
        raise Ended

    monkeypatch.setattr(engines.psutil, "Process", lambda: process)
    monkeypatch.setattr(engines.os, "_exit", leave)
    return killed


@pytest.fixture
async def replica(tmp_path, monkeypatch):
    engine = Recording()
    monkeypatch.setattr(engines, "start_engine", lambda model, adapters: engine)
    # It would look at what other tests have made.
    monkeypatch.setattr(engines, "gc", SimpleNamespace(collect=int, freeze=int))
    settings = {"name": "model", "weights": "weights", "engine": {"backend": "fake"}}
    made = Opened.__new__(Opened)
    await made.__init__(ModelSettings.model_validate(settings), {"tuned": tmp_path}, tmp_path)
    yield made
    await EngineReplica.__del__(made)


@pytest.mark.parametrize("max_tokens", [16, 2048])
async def test_it_warms_up_in_every_way_within_the_engine_s_room(max_tokens):
    engine = Recording(max_tokens=max_tokens)
    await warm_up(engine, "tuned")
    assert {adapter for _, adapter in engine.asked} == {"tuned"}
    asked = [prompts for prompts, _ in engine.asked]
    assert len(asked[0]) > 32, "many at once"
    alone = [prompts[0] for prompts in asked[1:]]
    assert {len(prompts) for prompts in asked[1:]} == {1}
    kinds = [
        (bool(each.identifier), bool(each.top_tokens), max(map(len, each.continuations)) > 1)
        for each in alone
    ]
    # Twice: what begins alike is kept, and each is new once and known once.
    assert kinds == [(True, False, False), (False, False, False), (False, True, True)] * 2
    for each in [*asked[0], *alone]:
        longest = max(map(len, each.continuations))
        assert len(each.prompt) + len(each.identifier) + longest <= max_tokens


async def test_it_warms_up_with_each_adapter_and_answers_at_its_socket(replica):
    assert {adapter for _, adapter in replica._engine.asked} == {None, "tuned"}
    connection = await Connection.open(await replica.path(), lambda: None)
    assert connection.info == EngineInfo("fake", "1", "float64", 2048, None)
    [found] = await connection.score([PROMPT], "tuned")
    [expected] = await FakeEngine().score([PROMPT])
    assert found.continuations.tolist() == expected.continuations.tolist()
    connection.close()


async def test_it_closes_its_socket_and_its_engine(replica):
    path = await replica.path()
    await EngineReplica.__del__(replica)
    assert replica._engine.is_closed
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await Connection.open(path, lambda: None)
    await asyncio.wait({replica._watching})


async def test_it_ends_with_its_engine_s_processes_when_the_engine_dies(replica, family):
    beyond = TokenPrompt((5000,), ((1,), (2,)))
    replica._engine = Recording(vocabulary=4096)
    with pytest.raises(Ended):
        await replica._score([beyond], None)
    assert family == ["child", "grandchild", 1]


@pytest.mark.parametrize("hangs", [True, False])
async def test_it_ends_when_the_engine_hangs_or_fails_its_check(
    replica, family, monkeypatch, caplog, hangs
):
    async def check():
        if hangs:
            await asyncio.Event().wait()
        raise ZeroDivisionError("a prompt")

    monkeypatch.setattr(engines, "_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(replica._engine, "check", check)
    with pytest.raises(Ended):
        await replica._watch(0.01)
    assert family == ["child", "grandchild", 1]
    assert ("hangs" if hangs else "died (ZeroDivisionError at ") in caplog.text
    assert "a prompt" not in caplog.text
