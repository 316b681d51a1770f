"""The gateway's watch over its models, with engines that are sockets of this process."""

import asyncio
import shutil

import grpc
import httpx
import pytest
from tests.serving.played import Handle, Played, until

from trueodds.v1 import model_pb2, model_pb2_grpc
from trueodds_service.app import App
from trueodds_service.caller import Caller, Permission
from trueodds_service.config import Settings
from trueodds_service.edge.quotas.account import OverQuota
from trueodds_service.engine.base import EngineInfo, TokenPrompt
from trueodds_service.errors import ConfigError
from trueodds_service.revision import model_revision
from trueodds_service.serving import directory as directory_module
from trueodds_service.serving import gateway as gateway_module
from trueodds_service.serving.address import check_address, held_address
from trueodds_service.serving.directory import Directory
from trueodds_service.serving.gateway import Gateway
from trueodds_service.serving.suspects import Acquitted

KILLER = TokenPrompt((1, 2, 3), ((4,), (5,)))


class Opened(Gateway):
    """A gateway that Serve does not stop."""

    def __del__(self):
        pass

    async def until(self, name, state):
        """Waits until the model is in that state; its cause."""
        await until(lambda: self.states()[name][0] == state)
        return self.states()[name][1]


class Models:
    """The replicas of two models, what they say to a directory, and gateways that ask it."""

    def __init__(self, folder, settings):
        self.settings = settings
        self.directory = Directory()
        info = EngineInfo("fake", "1", "float64", 2048, 32000)
        self.played = {
            model.name: Played(
                folder, None, model.name, info, {model.name: model_revision(model.weights)}
            )
            for model in settings.models
        }
        self.gateways = []

    async def open(self):
        gateway = Opened.__new__(Opened)
        await gateway.__init__(self.settings, Handle(self.directory))
        self.gateways.append(gateway)
        return gateway

    async def start(self, name):
        await self.directory.announce(self.played[name].start())

    async def lose(self, name):
        await self.directory.withdraw(self.played[name].announcement.replica)
        await self.played[name].kill()

    async def close(self):
        for gateway in self.gateways:
            await Gateway.__del__(gateway)
        for played in self.played.values():
            await played.kill()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(directory_module, "HEAR_SECONDS", 0.0)
    monkeypatch.setattr(gateway_module, "_LOOK_SECONDS", 0.01)


@pytest.fixture
async def start(tmp_path, weights):
    """Starts a gateway of two models, "good" and "other" with its weights in a folder."""
    opened = []

    async def start(other=weights, absent=(), **settings):
        models = [
            {"name": name, "weights": folder, "engine": {"backend": "fake"}}
            for name, folder in (("good", weights), ("other", other))
        ]
        settings = Settings.model_validate(
            {
                "listen": "127.0.0.1:0",
                "store": f"sqlite:///{tmp_path}/s.sqlite",
                "models": models,
                **settings,
            }
        )
        opened.append(Models(tmp_path, settings))
        for name in opened[-1].played.keys() - {*absent}:
            await opened[-1].start(name)
        return await opened[-1].open(), opened[-1]

    yield start
    for models in opened:
        await models.close()


async def test_a_tokenizer_that_cannot_be_loaded_is_told_and_costs_no_other_model(
    start, weights, tmp_path, caplog
):
    damaged = tmp_path / "damaged"
    shutil.copytree(weights, damaged)
    (damaged / "tokenizer.json").write_text("{")
    gateway, _ = await start(damaged)
    cause = await gateway.until("other", "FAILED")
    assert cause.startswith("its tokenizer cannot be loaded: ")
    assert cause.endswith(f" ({damaged})")
    assert "\n" not in cause
    assert await gateway.until("good", "READY") == ""
    assert f"models/other has failed: {cause}" in caplog.messages


async def test_a_replica_with_other_weights_is_not_asked(start, caplog):
    gateway, models = await start(absent=["other"])
    revisions = models.played["other"]._revisions
    models.played["other"]._revisions = {"other": "0" * 16}
    await models.start("other")
    told = "models/other: a replica is not asked: its weights, on node here"
    await until(lambda: told in caplog.text)
    assert f"(other {'0' * 16}, and here other {revisions['other']})" in caplog.text
    assert gateway.states()["other"][0] == "STARTING"
    await models.lose("other")
    models.played["other"]._revisions = revisions
    await models.start("other")
    await gateway.until("other", "READY")


async def test_a_watch_outlives_any_error(start, monkeypatch, caplog):
    go_on = asyncio.Event()
    model_ready = App.model_ready

    async def stumble(self, name, engine, info):
        if name == "other" and not go_on.is_set():
            raise ZeroDivisionError("a prompt")
        await model_ready(self, name, engine, info)

    monkeypatch.setattr(App, "model_ready", stumble)
    monkeypatch.setattr(gateway_module, "_PAUSE_SECONDS", 0.01)
    gateway, _ = await start()
    assert await gateway.until("other", "FAILED") == "a fault of the service's (ZeroDivisionError)"
    assert "models/other: its watch failed: ZeroDivisionError at test_gateway.py:" in caplog.text
    assert "a prompt" not in caplog.text
    go_on.set()
    await gateway.until("other", "READY")


async def test_an_engine_that_is_lost_is_taken_up_again(start):
    gateway, models = await start()
    await gateway.until("other", "READY")
    await models.lose("other")
    await gateway.until("other", "LOST")
    await models.start("other")
    await gateway.until("other", "READY")


async def test_a_directory_that_was_replaced_and_knows_nobody_costs_nothing(start):
    gateway, _ = await start()
    for name in ("good", "other"):
        await gateway.until(name, "READY")
    gateway._directory = Handle(Directory())
    await until(gateway._directory._target._gateways.all)
    assert {state for state, _ in gateway.states().values()} == {"READY"}


async def test_an_engine_that_serve_cannot_start_fails_its_model(start):
    gateway, models = await start(absent=["other"])
    await gateway.until("good", "READY")
    await models.directory.gateways(dict.fromkeys(("other", "good"), "out of memory"))
    assert await gateway.until("other", "FAILED") == "out of memory"
    assert gateway.states()["good"] == ("READY", ""), "it has an engine by now"
    await models.start("other")
    await gateway.until("other", "READY")


async def test_gateways_of_one_service_share_its_port_and_any_may_end(start):
    with held_address("127.0.0.1:0") as address, held_address("127.0.0.1:0", "http") as http:
        first, models = await start(listen=address, http=http, gateways=2)
        second = await models.open()
        await until(lambda: len(models.directory._gateways.all()) == 2)
        assert first._app.address == second._app.address == address
        assert first._app.http_address == second._app.http_address == http
        await Gateway.__del__(first)
        models.gateways.remove(first)
        reports = await models.directory.gateways({})
        assert [each.gateway for each in reports] == [second._number]
        async with grpc.aio.insecure_channel(address) as channel:
            stub = model_pb2_grpc.ModelServiceStub(channel)
            listed = await stub.ListModels(model_pb2.ListModelsRequest())
        assert len(listed.models) == 2
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{http}/healthz")).text == "ok\n"


async def test_what_kills_is_known_to_every_gateway_and_survives_the_one_that_found_it(start):
    with held_address("127.0.0.1:0") as address:
        first, models = await start(listen=address, gateways=2)
        second = await models.open()
        first._replicas["good"].killers.add(KILLER, None)
        await until(lambda: second._replicas["good"].killers.holds(KILLER, None))
        assert not second._replicas["other"].killers.holds(KILLER, None)
        await Gateway.__del__(first)
        models.gateways.remove(first)
        third = await models.open()
        await until(lambda: third._replicas["good"].killers.holds(KILLER, None))


async def test_what_one_gateway_is_asked_counts_in_the_others(start):
    quota = {"default": {"tenant": {"requests": 60}}}
    with held_address("127.0.0.1:0") as address:
        first, models = await start(listen=address, gateways=2, access="keys", quotas=quota)
        second = await models.open()
        await until(lambda: len(models.directory._gateways.all()) == 2)
        await until(lambda: second._number in first._app.quotas._others)
        asks = Caller("acme", "key:one", frozenset(Permission))
        for _ in range(60):
            second._app.quotas.request(asks)
        await until(lambda: first._app.quotas._others[second._number])
        with pytest.raises(OverQuota):
            first._app.quotas.request(asks)


async def test_in_the_place_of_another_gateway_it_listens_once_it_can_answer_as_well(start):
    first, models = await start(absent=["other"])
    await first.until("good", "READY")
    second = await models.open()
    assert second.states() == {"good": ("READY", ""), "other": ("STARTING", "")}


async def test_it_tells_the_directory_which_replicas_it_asks(start):
    _, models = await start()
    known = {each.announcement.replica for each in models.played.values()}

    def told():
        return [set(each.replicas) for each in models.directory._gateways.all().values()]

    await until(lambda: told() == [known])
    await models.lose("other")
    await until(lambda: told() == [{models.played["good"].announcement.replica}])


async def test_where_ray_has_lost_a_node_its_suspects_are_acquitted(start, monkeypatch):
    gateway, models = await start(absent=["other"])
    suspects = gateway._replicas["other"]._suspects
    [on_lost] = suspects.take([KILLER], None, "lost")
    suspects.take([KILLER], "adapter", "other")
    await until(models.directory._gateways.all)
    assert not on_lost.outcome.done()
    monkeypatch.setattr(gateway_module.nodes, "lost", {"lost"}.intersection)
    assert isinstance(await on_lost.wait(), Acquitted)
    assert suspects.nodes == {"other"}


async def test_another_service_does_not_get_the_port(start):
    with held_address("127.0.0.1:0") as address:
        await start(listen=address, gateways=2)
        with pytest.raises(ConfigError, match="Address already in use"):
            check_address(address)


async def test_prometheus_is_told_of_the_replicas_that_a_gateway_has(start):
    gateway, models = await start(absent=["other"], metrics="127.0.0.1:0")
    await gateway.until("good", "READY")
    text = (
        await asyncio.to_thread(httpx.get, f"http://{gateway._metrics_server.address}/metrics")
    ).text
    assert f'trueodds_process_up{{process="gateway-{gateway._number:x}"}} 1.0' in text
    name = f'process="gateway-{gateway._number:x}"'
    assert f'trueodds_replicas_connected{{model="good",{name}}} 1.0' in text
    assert f'trueodds_replicas_connected{{model="other",{name}}} 0.0' in text
    assert f'trueodds_model_state{{model="good",{name},state="READY"}} 1.0' in text
    await models.lose("good")
    await gateway.until("good", "LOST")
    text = gateway._app.metrics.own().decode()
    assert f'trueodds_replicas_lost_total{{model="good",{name}}} 1.0' in text


@pytest.mark.parametrize("why", ["its weights are others", "it has died"])
async def test_it_does_not_wait_for_a_replica_that_it_will_not_ask(start, why, monkeypatch):
    monkeypatch.setattr(directory_module, "_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(gateway_module, "_FIRST_LOOK_SECONDS", 0.05)
    _, models = await start(absent=["other"])
    other = models.played["other"]
    if why == "it has died":
        await models.start("other")
        await other.kill()
    else:
        other._revisions = {"other": "0" * 16}
        telling = asyncio.create_task(_announced(models.directory, other.start()))
    gateway = await asyncio.wait_for(models.open(), 30)
    assert gateway.states()["other"][0] == "STARTING"
    if why == "its weights are others":
        await asyncio.wait_for(telling, 30)


async def _announced(directory, announcement):
    """Until every gateway has seen it: so long a replica holds up the next one's start."""
    while not await directory.announce(announcement):  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.01)
