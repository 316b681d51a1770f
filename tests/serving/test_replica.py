"""A replica says that it is there, answers, and lets calls end before it leaves."""

import asyncio
from types import SimpleNamespace

import pytest
from tests.serving.played import Handle, until

from trueodds_service.config import ModelSettings
from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.link.connection import Connection
from trueodds_service.revision import model_revision
from trueodds_service.serving import directory as directory_module
from trueodds_service.serving import replica as replica_module
from trueodds_service.serving.directory import Directory, GatewayReport
from trueodds_service.serving.replica import Replica, warm_up

PROMPT = TokenPrompt((1, 2, 3), ((4,), (5,)))


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


class Opened(Replica):
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

    monkeypatch.setattr(replica_module.psutil, "Process", lambda: process)
    monkeypatch.setattr(replica_module.os, "_exit", leave)
    return killed


@pytest.fixture
def directory(monkeypatch):
    monkeypatch.setattr(directory_module, "HEAR_SECONDS", 0.0)
    return Directory()


@pytest.fixture
async def replica(tmp_path, weights, directory):
    model = ModelSettings(name="model", weights=weights, engine={"backend": "fake"})
    replica = Opened.__new__(Opened)
    await replica.__init__(model, {}, tmp_path, Handle(directory))
    yield replica
    await Replica.__del__(replica)


async def test_in_a_cluster_other_nodes_reach_it_who_have_been_told_its_keys(
    weights, directory, monkeypatch, tmp_path
):
    monkeypatch.setattr(replica_module, "node_folder", lambda _: tmp_path)
    model = ModelSettings(name="model", weights=weights, engine={"backend": "fake"})
    replica = Opened.__new__(Opened)
    await replica.__init__(model, {}, None, Handle(directory))
    try:
        await until(directory._replicas.all)
        [announced] = await replicas(directory)
        assert announced.remote.startswith("tcp://127.0.0.1:")
        for endpoint in (announced.local, announced.remote):
            connection = await Connection.open(endpoint, lambda: None, announced.keys)
            assert len(await connection.score([PROMPT], None)) == 1
            connection.close()
    finally:
        await Replica.__del__(replica)


async def test_it_tells_the_revisions_of_what_it_has(weights, directory, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    (adapter / "adapter_model.safetensors").write_bytes(b"of no use")
    model = ModelSettings(name="model", weights=weights, engine={"backend": "fake"})
    replica = Opened.__new__(Opened)
    await replica.__init__(model, {"tuned": adapter}, tmp_path, Handle(directory))
    try:
        expected = {"model": model_revision(weights), "tuned": model_revision(weights, adapter)}
        assert replica._announcement.revisions == expected
    finally:
        await Replica.__del__(replica)


async def replicas(directory):
    return (await directory.report(GatewayReport(1, "", {}))).replicas


async def test_it_is_announced_answers_and_is_withdrawn_once_its_calls_have_ended(
    replica, directory, monkeypatch
):
    await until(directory._replicas.all)
    [announced] = await replicas(directory)
    assert announced.model == "model"
    connection = await Connection.open(announced.local, lambda: None)
    go_on = asyncio.Event()
    score = replica._engine.score

    async def wait(*args):
        await go_on.wait()
        return await score(*args)

    monkeypatch.setattr(replica._engine, "score", wait)
    call = asyncio.create_task(connection.score([PROMPT, PROMPT], None))
    await until(lambda: replica._listener.prompts)
    assert await replica.record_autoscaling_stats() == {"prompts": 2.0}
    ending = asyncio.create_task(Replica.__del__(replica))
    await until(lambda: not connection.is_open)
    assert await replicas(directory) == ()
    go_on.set()
    assert len(await call) == 2
    await ending


async def test_it_is_announced_again_to_a_directory_that_was_replaced(
    replica, directory, monkeypatch
):
    monkeypatch.setattr(replica_module, "ANNOUNCE_SECONDS", 0.01)
    await until(directory._replicas.all)
    directory._replicas._said.clear()
    await until(directory._replicas.all)


async def test_it_counts_as_running_once_every_gateway_asks_it(
    tmp_path, weights, directory, monkeypatch
):
    monkeypatch.setattr(replica_module, "_SOON_SECONDS", 0.001)
    await directory.report(GatewayReport(1, "", {}))
    model = ModelSettings(name="model", weights=weights, engine={"backend": "fake"})
    replica = Opened.__new__(Opened)
    starting = asyncio.create_task(replica.__init__(model, {}, tmp_path, Handle(directory)))
    await until(directory._replicas.all)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not starting.done(), "the gateway has it from the directory, and does not ask it yet"
    asked = frozenset(directory._replicas.all())
    await directory.report(GatewayReport(1, "", {}, replicas=asked))
    await starting
    await Replica.__del__(replica)


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

    monkeypatch.setattr(replica_module, "_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(replica._engine, "check", check)
    with pytest.raises(Ended):
        await replica._watch(0.01)
    assert family == ["child", "grandchild", 1]
    assert ("hangs" if hangs else "died (ZeroDivisionError at ") in caplog.text
    assert "a prompt" not in caplog.text


async def test_prometheus_is_told_of_the_engine(replica, tmp_path):
    connection = await Connection.open(replica._announcement.local, lambda: None)
    before = replica._engine.usage.prompts
    await connection.score([PROMPT, PROMPT], None)
    connection.close()
    # As any gateway of the node does.
    text = await asyncio.to_thread(ProcessMetrics("gateway", tmp_path).node)
    name = f'model="model",process="replica-{replica._announcement.replica:x}"'
    told = text.decode().splitlines()
    assert f"trueodds_engine_prompts_total{{{name}}} {before + 2:.1f}" in told
    assert f"trueodds_engine_call_seconds_count{{{name}}} 1.0" in told
    assert f"trueodds_engine_prompts_under_way{{{name}}} 0.0" in told
    [age] = [each for each in told if each.startswith("trueodds_engine_step_age_seconds{")]
    assert 0 <= float(age.split()[-1]) < 60
    [resident] = [each for each in told if each.startswith("trueodds_engine_resident_bytes{")]
    assert float(resident.split()[-1]) > 2**20
