"""Client and AsyncClient, over a real channel: what they share, models, and errors."""

import asyncio
import inspect
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from tests.integration.ray_nodes import free_port

from trueodds import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    NotServed,
    Question,
    Unavailable,
    aio,
)
from trueodds import client as blocking
from trueodds._channel import channel_options
from trueodds.errors import NoServer
from trueodds_service.engine.fake import FakeEngine

NOWHERE = "127.0.0.1:1"
NOBODY = "models/aligned/calibrators/0123456789abcdef"


def public(kind):
    return {
        name: [
            (each.name, each.default, each.kind)
            for each in inspect.signature(method).parameters.values()
        ]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if name == "__init__" or not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    assert public(Client) == public(AsyncClient)


def test_models_say_what_they_are(client):
    aligned, base = client.models()
    assert (aligned.name, aligned.teacher, aligned.ready) == ("models/aligned", "models/base", True)
    assert base.teacher is None
    assert (aligned.max_items, aligned.max_options) == (1024, 128)
    assert aligned.max_prompt_tokens > 0
    assert client.model("aligned") == aligned
    assert client.wait_until_ready() == [aligned, base]


def test_a_model_that_starts_is_not_ready(start_service, connect, ask):
    service = start_service(ready=False)
    client = connect(service.app.address)
    assert [model.ready for model in client.models()] == [False, False]
    with pytest.raises(DeadlineExceeded, match="was not ready"):
        client.wait_until_ready(timeout=0)
    service.model_ready("base", FakeEngine())
    client.wait_until_ready(timeout=0, model="base")
    with pytest.raises(DeadlineExceeded, match="was not ready"):
        client.wait_until_ready(timeout=0, model="base+aligned")
    with pytest.raises(Unavailable) as caught:
        client.score(ask(), model="aligned")
    assert caught.value.reason == "MODEL_STARTING"


def test_an_empty_batch_has_no_outcomes(connect):
    assert connect(NOWHERE).score_batch([], model="aligned") == []


def test_no_server_says_where_and_what_to_do(connect, ask):
    client = connect(NOWHERE)
    with pytest.raises(Unavailable) as caught:
        client.score(ask(), model="aligned")
    for part in (NOWHERE, "`trueodds serve`", "TRUEODDS_SERVER"):
        assert part in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


def test_a_server_that_was_long_away_is_found_again_soon(connect, monkeypatch):
    """As after a minute, when the next of gRPC's own pauses would be as long."""
    port = free_port("127.0.0.1")

    def after_a_while(*given):
        return [*channel_options(*given), ("grpc.initial_reconnect_backoff_ms", 120_000)]

    for module in (aio, blocking):
        monkeypatch.setattr(module, "channel_options", after_a_while)
    client = connect(f"127.0.0.1:{port}", retries=0)
    with pytest.raises(NoServer):
        client.models()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    end, found = time.monotonic() + 60, None
    while not isinstance(found, NotServed) and time.monotonic() < end:
        with pytest.raises((NoServer, NotServed)) as caught:
            client.models()
        found = caught.value
        time.sleep(0.05)
    server.stop(None)
    assert isinstance(found, NotServed), "a server without the contract, but a server"


def test_waiting_for_no_server_ends(connect):
    with pytest.raises(Unavailable, match=NOWHERE):
        connect(NOWHERE).wait_until_ready(timeout=0)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda client, ask: client.score(ask(), model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.score_batch([ask()] * 2, model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.fit([ask()], model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.model("nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: list(client.calibrators("nobody")), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.calibrator(NOBODY), "CALIBRATOR_NOT_FOUND"),
        (lambda client, ask: client.activate(NOBODY), "CALIBRATOR_NOT_FOUND"),
        (lambda client, ask: client.rollback(NOBODY), "CALIBRATOR_NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_not_found(client, ask, call, reason):
    with pytest.raises(NotFound) as caught:
        call(client, ask)
    assert caught.value.reason == reason
    assert isinstance(caught.value, LookupError)


def test_a_wrong_field_is_named(client):
    with pytest.raises(InvalidRequest, match=r"^question\.options: has 1 options") as caught:
        client.score(Question("One?", ["one"]), model="aligned")
    assert caught.value.field == "question.options"
    assert caught.value.reason == "INVALID_FIELD"


def test_an_answer_that_does_not_come_is_given_up_on_both_sides(stuck, connect, ask):
    service, engine = stuck
    # A deadline can pass before the engine is asked, on a busy machine: then a longer one.
    for timeout in (0.2, 1, 5, 25):
        with pytest.raises(DeadlineExceeded, match="raise the timeout"):
            connect(service.app.address, timeout=timeout).score_batch([ask()], model="aligned")
        if engine.took.is_set():
            break
    assert engine.gave_up.wait(60)


def test_a_server_with_too_much_to_do_says_so(stuck, run, ask):
    service, _ = stuck

    async def three():
        async with AsyncClient(service.app.address, timeout=10) as client:
            calls = {asyncio.create_task(client.score(ask(), model="aligned")) for _ in range(3)}
            done, stuck = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            for call in stuck:
                call.cancel()
            await done.pop()

    with pytest.raises(Unavailable, match="works on 2 requests already; try again"):
        run(three())


def test_another_grpc_server_is_no_trueodds_server(connect, bare_server, ask):
    with pytest.raises(NotServed, match=f"{bare_server} is no trueodds server"):
        connect(bare_server).score(ask(), model="aligned")


def test_the_environment_names_the_server(monkeypatch, service, ask):
    monkeypatch.setenv("TRUEODDS_SERVER", service.app.address)
    with Client() as client:
        assert client.server == service.app.address
        assert client.score(ask(), model="aligned").confidence > 0
    monkeypatch.delenv("TRUEODDS_SERVER")
    with Client() as client:
        assert client.server == "localhost:50051"


def test_a_closed_client_asks_nothing(service, run):
    with Client(service.app.address) as client:
        client.models()
    with pytest.raises(ValueError, match="closed"):
        client.models()

    async def leave():
        async with AsyncClient(service.app.address) as client:
            await client.models()
        await client.models()

    with pytest.raises(Exception, match=r"[Cc]losed"):
        run(leave())


def test_a_cancelled_batch_is_cancelled_in_the_service(stuck, run, ask):
    service, engine = stuck

    async def cancel():
        async with AsyncClient(service.app.address) as client:
            batch = asyncio.create_task(client.score_batch([ask()], model="aligned"))
            assert await asyncio.to_thread(engine.took.wait, 60)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch

    run(cancel())
    assert engine.gave_up.wait(60)
