"""The gateway's watch over its models, with engines that are sockets of this process."""

import asyncio
import shutil

import pytest

from trueodds_service.app import App
from trueodds_service.config import Settings
from trueodds_service.engine.base import EngineInfo
from trueodds_service.engine.link.connection import Listener
from trueodds_service.serving import gateway as gateway_module
from trueodds_service.serving.gateway import Gateway


class Handle:
    """A deployment's handle; the engine behind it listens at a socket, until it is lost."""

    def __init__(self, socket):
        self._socket = str(socket)
        self._listener = None

    @property
    def path(self):
        return self

    async def remote(self):
        return self._socket

    async def start(self):
        self._listener = Listener(EngineInfo("fake", "1", "float64", 2048, 32000), None)
        await self._listener.listen(self._socket)

    async def lose(self):
        if self._listener is not None:
            await self._listener.close(0)


class Opened(Gateway):
    """A gateway that Serve does not stop."""

    def __del__(self):
        pass

    async def until(self, name, state):
        """Waits until the model is in that state; its cause."""
        while (found := (await self.states())[name])[0] != state:  # noqa: ASYNC110 (no event)
            await asyncio.sleep(0.01)
        return found[1]


@pytest.fixture
async def start(tmp_path, weights):
    """Starts a gateway of two models, "good" and "other" with its weights in a folder."""
    opened = []

    async def start(other=weights, absent=()):
        models = [
            {"name": name, "weights": folder, "engine": {"backend": "fake"}}
            for name, folder in (("good", weights), ("other", other))
        ]
        settings = Settings.model_validate(
            {"listen": "127.0.0.1:0", "store": f"sqlite:///{tmp_path}/s.sqlite", "models": models}
        )
        handles = {name: Handle(tmp_path / name) for name in ("good", "other")}
        gateway = Opened.__new__(Opened)
        await gateway.__init__(settings, {name: [each] for name, each in handles.items()})
        for name in handles.keys() - {*absent}:
            await handles[name].start()
        opened.append((gateway, handles))
        return gateway, handles

    yield start
    for gateway, handles in opened:
        await Gateway.__del__(gateway)
        for handle in handles.values():
            await handle.lose()


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
    gateway, handles = await start()
    await gateway.until("other", "READY")
    await handles["other"].lose()
    await gateway.until("other", "LOST")
    await handles["other"].start()
    await gateway.until("other", "READY")


async def test_an_engine_that_serve_cannot_start_fails_its_model(start):
    gateway, handles = await start(absent=["other"])
    await gateway.until("good", "READY")
    for name in ("other", "good"):
        await gateway.engine_failed(name, "out of memory")
    assert (await gateway.states())["other"] == ("FAILED", "out of memory")
    assert (await gateway.states())["good"] == ("READY", ""), "it has an engine by now"
    await handles["other"].start()
    await gateway.until("other", "READY")
