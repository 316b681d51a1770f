"""Where a server is: addresses, proxies, and a client made before its event loop."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from trueodds import AsyncClient, Client, InvalidRequest, Method, NoServer, errors
from trueodds._address import is_loopback, proxy_before, server_address
from trueodds._channel import KEEPALIVE_SECONDS, channel_options
from trueodds_service.rpc import server as rpc_server

PROXY = "http://user:secret@127.0.0.1:9"


@pytest.fixture(params=["grpc_proxy", "https_proxy", "http_proxy"])
def proxy(request, monkeypatch):
    """The name of a variable that sends gRPC to a proxy that is not there."""
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(request.param, PROXY)
    return request.param


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_does_not_catch_this_machine(proxy, host, service):
    port = service.app.address.rpartition(":")[2]
    with Client(f"{host}:{port}", retries=0) as client:
        assert client.models()


def test_a_proxy_before_another_host_is_named(proxy):
    with (
        Client("service.example:50051", retries=0, timeout=60) as client,
        pytest.raises(NoServer) as caught,
    ):
        client.models()
    assert f"the proxy that {proxy} names" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_excepted_host_has_no_proxy(proxy, monkeypatch):
    assert proxy_before("gpu.example:50051") == proxy
    monkeypatch.setenv("no_proxy", "other.test, .example")
    assert proxy_before("gpu.example:50051") == ""
    assert proxy_before("gpu.example.org:50051") == proxy


@pytest.mark.parametrize(
    "address",
    [
        "localhost:1",
        "127.0.0.1:1",
        "127.8.0.1:1",
        "[::1]:1",
        "ipv6:[::1]:1",
        "ipv4:127.0.0.1:1",
        "dns:///localhost:1",
        "unix:/tmp/socket",
        "LOCALHOST:1",
    ],
)
def test_this_machine_is_known(address):
    assert server_address(address) == address
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["10.0.0.1:1", "[2001:db8::1]:1", "localhost.example:1"])
def test_other_machines_are_others(address):
    assert server_address(address) == address
    assert not is_loopback(address)


@pytest.mark.parametrize("address", ["::1", "::1:50051", "2001:db8::1"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_ipv6_without_brackets_is_told(kind, address):
    with pytest.raises(InvalidRequest, match=r"brackets, as in \[::1\]:50051") as caught:
        kind(address)
    assert caught.value.field == "server"


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":50051", "localhost:http"])
def test_an_address_needs_host_and_port(address):
    with pytest.raises(InvalidRequest, match="is not HOST:PORT"):
        Client(address)


def test_an_async_client_can_be_made_before_its_loop(service):
    client = AsyncClient(service.app.address)

    async def use():
        async with client:
            return await client.models()

    assert asyncio.run(use())


def test_an_async_client_that_was_never_used_can_be_closed():
    asyncio.run(AsyncClient("localhost:1").close())


def test_the_server_takes_the_clients_keepalive():
    options = dict(channel_options("localhost:1", 3))
    allowed = dict(rpc_server._KEEPALIVE)["grpc.http2.min_recv_ping_interval_without_data_ms"]
    assert options["grpc.keepalive_time_ms"] == KEEPALIVE_SECONDS * 1000 > allowed


# Retries


class Away(grpc.GenericRpcHandler):
    """Has every call fail with one status, and counts."""

    def __init__(self, code):
        self.code, self.calls = code, 0

    def service(self, handler_call_details):
        def refuse(request, context):
            self.calls += 1
            context.abort(self.code, "no")

        if handler_call_details.method.endswith("/FitCalibrator"):
            return grpc.unary_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.mark.parametrize("retries", [0, 1])
def test_the_caller_says_how_often_a_call_is_sent_again(retries, serve):
    away = Away(grpc.StatusCode.UNAVAILABLE)
    with Client(serve(away), retries=retries) as client, pytest.raises(errors.Unavailable):
        client.models()
    assert away.calls == 1 + retries


def test_a_call_that_a_stopping_server_has_not_taken_in_is_sent_again(serve):
    """gRPC tells its caller that it was cancelled."""
    away = Away(grpc.StatusCode.CANCELLED)
    with Client(serve(away), retries=2) as client, pytest.raises(errors.TrueoddsError):
        client.models()
    assert away.calls == 3


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED"])
@pytest.mark.parametrize("retries", [0, 2])
def test_so_is_a_fit_which_grpc_does_not_send_again(serve, retries, code):
    away = Away(grpc.StatusCode[code])
    with Client(serve(away), retries=retries) as client, pytest.raises(errors.Unavailable):
        client.fit(model="model", method=Method.CONSTANT, options=2)
    assert away.calls == 1 + retries


class Busy(grpc.GenericRpcHandler):
    """Refuses the first call of each method for ``seconds``, and cannot serve the next."""

    def __init__(self, seconds):
        self.delay = error_details_pb2.RetryInfo()
        self.delay.retry_delay.FromMilliseconds(round(1000 * seconds))
        self.at = []

    def service(self, handler_call_details):
        def refuse(request, context):
            self.at.append(time.monotonic())
            status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="too much")
            if len(self.at) > 1:
                status.code = code_pb2.FAILED_PRECONDITION
            status.details.add().Pack(self.delay)
            context.abort_with_status(rpc_status.to_status(status))

        if handler_call_details.method.endswith("/DeleteCalibrator"):
            return grpc.unary_unary_rpc_method_handler(refuse)
        return grpc.unary_stream_rpc_method_handler(refuse)


REPEATED = {
    "fit": lambda client, timeout: client.fit(
        model="model", method=Method.CONSTANT, options=2, timeout=timeout
    ),
    "delete": lambda client, timeout: client.delete(
        f"models/model/calibrators/{0:016x}", timeout=timeout
    ),
}


@pytest.mark.parametrize("call", REPEATED.values(), ids=REPEATED)
def test_what_is_sent_again_comes_when_the_server_says(serve, call):
    busy = Busy(0.7)
    with Client(serve(busy)) as client, pytest.raises(errors.FailedPrecondition):
        call(client, 60)
    first, second = busy.at
    assert second - first >= 0.7


@pytest.mark.parametrize("call", REPEATED.values(), ids=REPEATED)
def test_what_would_come_too_late_is_not_sent_again(serve, call):
    busy = Busy(30)
    with Client(serve(busy)) as client, pytest.raises(errors.Unavailable) as caught:
        call(client, 20)
    assert (len(busy.at), caught.value.retry_seconds) == (1, 30)
    assert time.monotonic() - busy.at[0] < 10


def test_a_fit_whose_client_is_closed_meanwhile_is_not_sent_again(serve):
    asked, go_on = threading.Event(), threading.Event()

    class Waits(Away):
        def service(self, handler_call_details):
            def wait(request, context):
                self.calls += 1
                asked.set()
                go_on.wait(60)

            return grpc.unary_stream_rpc_method_handler(wait)

    waits = Waits(grpc.StatusCode.OK)
    client = Client(serve(waits))
    with ThreadPoolExecutor(1) as thread:
        fit = thread.submit(client.fit, model="model", method=Method.CONSTANT, options=2)
        asked.wait()
        client.close()
        with pytest.raises(errors.Unavailable):
            fit.result(60)
    go_on.set()
    assert waits.calls == 1


def test_what_cannot_succeed_later_is_not_sent_again(serve):
    away = Away(grpc.StatusCode.FAILED_PRECONDITION)
    with Client(serve(away)) as client, pytest.raises(errors.FailedPrecondition):
        client.models()
    assert away.calls == 1


@pytest.mark.parametrize("retries", [-1, 5])
def test_as_many_retries_as_grpc_does_not_do_are_refused(retries):
    with pytest.raises(ValueError, match="from 0 to 4"):
        Client("localhost:1", retries=retries)


@pytest.fixture
def serve():
    """Starts a gRPC server with a handler; its address."""
    servers = []

    def serve(handler):
        server = grpc.server(ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.stop(None)


def _ipv6():
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_listened_on_and_reached(start_service):
    service = start_service(listen="[::1]:0")
    assert service.app.address.startswith("[::1]:")
    with Client(service.app.address) as client:
        assert client.models()
