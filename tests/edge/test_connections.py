"""How many connections a door holds, and how much one of them may ask for at once."""

import socket
import struct
from contextlib import ExitStack

import grpc
import httpx
import pytest

from trueodds.v1 import model_pb2, model_pb2_grpc

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, MAX_CONCURRENT_STREAMS = 4, 3


def received(connection, size):
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        assert part, "the server hangs up"
        content += part
    return content


def settings_of_server(port):
    """What a server of HTTP/2 says of itself, in its first frame (RFC 9113, section 6.5)."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(PREFACE + struct.pack(">HBBBI", 0, 0, SETTINGS, 0, 0))
        header = received(connection, 9)
        assert header[3] == SETTINGS
        content = received(connection, int.from_bytes(header[:3], "big"))
    return dict(struct.iter_unpack(">HI", content))


@pytest.mark.parametrize(("requests", "calls"), [(1, 128), (300, 600)])
def test_a_connection_has_so_many_calls_at_once(start_service, requests, calls):
    """What is more would wait in gRPC's one queue of all connections, and be CANCELLED there."""
    service = start_service(limits={"max_concurrent_requests": requests})
    port = int(service.app.address.rpartition(":")[2])
    assert settings_of_server(port)[MAX_CONCURRENT_STREAMS] == calls


@pytest.fixture
def service(start_service):
    """One that holds two connections at each door, of which one is the fixture's."""
    service = start_service(http="127.0.0.1:0", limits={"max_connections": 2})
    service.models.ListModels(model_pb2.ListModelsRequest())
    return service


def opened(service, stack):
    """Another connection to the gRPC server."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = stack.enter_context(grpc.insecure_channel(service.app.address, options))
    return model_pb2_grpc.ModelServiceStub(channel).ListModels


def test_a_connection_too_many_is_closed_and_costs_the_others_nothing(service):
    with ExitStack() as stack:
        opened(service, stack)(model_pb2.ListModelsRequest())
        with pytest.raises(grpc.RpcError) as caught:
            opened(service, stack)(model_pb2.ListModelsRequest())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert service.models.ListModels(model_pb2.ListModelsRequest()).models
    with ExitStack() as stack:
        # The place of one that has left is free, once the server has seen that.
        call = opened(service, stack)
        assert call(model_pb2.ListModelsRequest(), wait_for_ready=True, timeout=60).models


def test_so_it_is_over_http(service):
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=service.url)) for _ in range(3)]
        assert [each.get("/healthz").status_code for each in clients[:2]] == [200, 200]
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            clients[2].get("/healthz")
        assert clients[0].get("/healthz").status_code == 200
