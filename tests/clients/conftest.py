"""The client library and the command, against the service in this process."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from typer.testing import CliRunner

from trueodds import AsyncClient, Client, Question
from trueodds.cli.main import app
from trueodds_service.engine.fake import FakeEngine


class Stuck(FakeEngine):
    """Takes a batch and keeps it."""

    def __init__(self):
        super().__init__()
        self.took, self.gave_up = threading.Event(), threading.Event()

    async def score(self, prompts):
        self.took.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.gave_up.set()


class Awaited:
    """AsyncClient with the face of Client, so that one test holds for both."""

    def __init__(self, address, run, **options):
        async def connect():
            return AsyncClient(address, **options)

        self._client, self._run = run(connect()), run

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            result = method(*args, **kwargs)
            return self._run(_listed(result) if hasattr(result, "__aiter__") else result)

        return call


async def _listed(iterator):
    return [each async for each in iterator]


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request, run):
    """Connects a client to an address: ``Client``, and then ``AsyncClient``."""
    clients = []

    def connect(address, **options):
        kind = Client(address, **options)
        if request.param == "asyncio":
            kind = Awaited(address, run, **options)
        clients.append(kind)
        return kind

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(service, connect):
    return connect(service.app.address)


@pytest.fixture
def stuck(start_service):
    """A service of two requests at a time, and its engine, which never answers."""
    engine = Stuck()
    limits = {"max_concurrent_requests": 2}
    return start_service(engines={"aligned": engine}, limits=limits), engine


@pytest.fixture
def bare_server():
    """The address of a gRPC server that knows no method."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def ask():
    """Makes a question that nothing is wrong with."""
    return lambda text="Which one is it?", options=4: Question(
        text, [f"option {index}" for index in range(options)]
    )


@pytest.fixture
def command(service, monkeypatch):
    """Runs `trueodds ARGS` against the shared service: ``exit_code``, ``stdout``, ``stderr``."""
    monkeypatch.setenv("TRUEODDS_SERVER", service.app.address)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*args, stdin=None):
        result = CliRunner().invoke(app, [*map(str, args)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return command


@pytest.fixture
def write(tmp_path):
    """Writes a file of JSON Lines: rows, or lines as they are."""

    def write(*rows, name="questions.jsonl"):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
