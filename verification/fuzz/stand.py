"""A service in this process, over a real port, whose engines are doubles behind real sockets."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import grpc

from trueodds.v1 import model_pb2, model_pb2_grpc
from trueodds_service.config import Settings
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.revision import model_revision
from trueodds_service.serving import gateway as gateway_module
from trueodds_service.serving.directory import Announcement, GatewayReport, View
from trueodds_service.serving.gateway import Gateway
from verification.fuzz.double import Double, Mark
from verification.fuzz.folders import ROWS, TEMPLATES, token_of, write_model

MAX_TOKENS = 2048
# Tokenizers of every template, on a machine that does other things.
_SECONDS = 600.0
_LOOK_SECONDS = 0.01

# Models of the hostile stand: each prompt of one is also asked of its twin, which never fails.
TWINS = {
    "models/alone": "models/twin",
    "models/several": "models/twin",
    "models/adapted": "models/twin",
}
_PROCESSES = {"twin": 1, "alone": 1, "several": 3}


@dataclass(frozen=True)
class Stand:
    """Where it listens, for gRPC and for HTTP, and the processes of its engines."""

    address: str
    url: str
    doubles: tuple[Double, ...]
    tokens: Mapping[Mark, int]
    """The marks of its engines, as tokens."""


@contextmanager
def odd_models(folder: Path) -> Iterator[Stand]:
    """A model for each chat template, and none that is hostile."""
    models: dict[str, dict[str, object]] = {}
    doubles = {}
    for seed, (name, template) in enumerate(TEMPLATES.items()):
        weights = write_model(folder / name, template)
        models[name] = {"weights": weights}
        doubles[name] = [_double(name, folder / f"{name}-0", {name: model_revision(weights)}, seed)]
    with _serving(folder, models, doubles) as listening:
        yield Stand(*listening, _every(doubles), {})


@contextmanager
def hostile_models(folder: Path) -> Iterator[Stand]:
    """Engines that are hostile at marked prompts: of one process and of several, with an adapter
    over them; and one that is not, which answers as they would.
    """
    weights = write_model(folder / "plain")
    marks = {token_of(weights, mark.character): mark for mark in Mark}
    models: dict[str, dict[str, object]] = {name: {"weights": weights} for name in _PROCESSES}
    adapter = _adapter(folder / "adapter")
    models["adapted"] = {"adapter": adapter, "base": "alone"}
    revisions = {name: {name: model_revision(weights)} for name in _PROCESSES}
    revisions["alone"]["adapted"] = model_revision(weights, adapter)
    doubles = {
        name: [
            _double(
                name,
                folder / f"{name}-{number}",
                revisions[name],
                marks={} if name == "twin" else marks,
            )
            for number in range(processes)
        ]
        for name, processes in _PROCESSES.items()
    }
    with _serving(folder, models, doubles) as listening:
        yield Stand(*listening, _every(doubles), {mark: token for token, mark in marks.items()})


def _every(doubles: Mapping[str, list[Double]]) -> tuple[Double, ...]:
    return tuple(double for processes in doubles.values() for double in processes)


def _adapter(folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def _double(
    model: str,
    folder: Path,
    revisions: Mapping[str, str],
    seed: int = 0,
    marks: Mapping[int, Mark] | None = None,
) -> Double:
    folder.mkdir()
    engine = FakeEngine(seed=seed, sharpness=3.0, max_tokens=MAX_TOKENS, vocabulary=ROWS)
    return Double(model, folder, engine, marks or {}, revisions)


class _Directory:
    """Knows the doubles, each of which is replaced at once. It is its own handle."""

    def __init__(self, doubles: Sequence[Double]) -> None:
        self._doubles = doubles
        self.report = SimpleNamespace(remote=self._report)
        self.replicas = SimpleNamespace(remote=self._replicas)
        self.withdraw_gateway = SimpleNamespace(remote=self._forget)

    async def _report(self, gateway: GatewayReport) -> View:
        return View(await self._replicas(), {})

    async def _replicas(self) -> tuple[Announcement, ...]:
        return tuple(double.announcement for double in self._doubles)

    async def _forget(self, gateway: int) -> None:
        pass


class _Gateway(Gateway):
    """One that Serve does not stop."""

    @property
    def url(self) -> str:
        return f"http://{self._app.http_address}"

    def __del__(self) -> None:  # type: ignore[override]
        pass


@contextmanager
def _serving(
    folder: Path, models: Mapping[str, dict[str, object]], doubles: Mapping[str, list[Double]]
) -> Iterator[tuple[str, str]]:
    settings = Settings.model_validate(
        {
            "listen": "127.0.0.1:0",
            "http": "127.0.0.1:0",
            "store": f"sqlite:///{folder}/store.sqlite",
            "models": [
                {"name": name, **model, **({} if "base" in model else _FAKE)}
                for name, model in models.items()
            ],
        }
    )
    every = _every(doubles)
    # Doubles are replaced at once, and deaths are many.
    gateway_module._LOOK_SECONDS = _LOOK_SECONDS
    gateway = _Gateway.__new__(_Gateway)

    async def start() -> tuple[str, str]:
        for double in every:
            double.start()
        await gateway.__init__(settings, _Directory(every))  # type: ignore[misc]
        return gateway.address, gateway.url

    async def stop() -> None:
        await Gateway.__del__(gateway)
        for double in every:
            double.close()

    with _loop() as loop:
        run = asyncio.run_coroutine_threadsafe
        address, url = run(start(), loop).result(_SECONDS)
        try:
            _wait_until_ready(address)
            yield address, url
        finally:
            run(stop(), loop).result(_SECONDS)


# What the settings say of an engine is for who starts it: here nobody does.
_FAKE = {"engine": {"backend": "fake"}}


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait_until_ready(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = model_pb2_grpc.ModelServiceStub(channel)
        ends = time.monotonic() + _SECONDS
        while any(
            model.state != model_pb2.STATE_READY
            for model in stub.ListModels(model_pb2.ListModelsRequest()).models
        ):
            if time.monotonic() > ends:
                raise TimeoutError("the service does not become ready")
            time.sleep(0.02)
