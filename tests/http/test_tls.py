"""TLS of the HTTP server, as httpx sees it."""

import select
import socket
import ssl
from contextlib import ExitStack

import httpx
import pytest
import trustme
from tests.certificates import channel_credentials, of_client

from trueodds_service.edge.gate import Gate

SCORE = "/trueodds.v1.ScoringService/Score"


def trusting(ca, own=None):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return httpx.Client(verify=context)


def test_who_trusts_its_ca_is_answered_and_nobody_in_the_clear(start_service, files, ca):
    service = start_service(
        http="127.0.0.1:0", tls=files.settings(), credentials=channel_credentials(ca)
    )
    with trusting(ca) as client:
        assert client.get(f"https://{service.app.http_address}/healthz").text == "ok\n"
    with trusting(trustme.CA()) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://{service.app.http_address}/healthz")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{service.url}/healthz")


def test_the_gate_is_told_whom_the_certificate_names(start_service, files, ca, monkeypatch):
    arrivals, admitted = [], Gate.admitted

    def seen(self, arrival):
        arrivals.append(arrival)
        return admitted(self, arrival)

    monkeypatch.setattr(Gate, "admitted", seen)
    own = of_client(ca, "spiffe://example.org/scorer")
    service = start_service(
        http="127.0.0.1:0",
        tls=files.settings(client_ca=True),
        credentials=channel_credentials(ca, own),
    )
    with trusting(ca, own) as client:
        asked = client.post(
            f"https://{service.app.http_address}{SCORE}", json={}, headers={"x-of": "mine"}
        )
    assert asked.status_code == 400
    [arrival] = arrivals
    assert arrival.method == SCORE.removeprefix("/")
    assert arrival.certificate_names == ("spiffe://example.org/scorer",)
    assert arrival.metadata["x-of"] == "mine"


@pytest.fixture
def few(start_service, files, ca):
    """A service that holds four connections at each door."""
    return start_service(
        http="127.0.0.1:0",
        tls=files.settings(),
        credentials=channel_credentials(ca),
        limits={"max_connections": 4},
    )


def connected(service):
    host, _, port = service.app.http_address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_who_says_nothing_counts_as_a_connection(few, ca):
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(few)) for _ in range(20)]
        closed = 0
        while closed < 16:
            readable, _, _ = select.select(silent, [], [], 60)
            assert readable, "no more are closed"
            for each in readable:
                silent.remove(each)
                closed += 1
        assert not select.select(silent, [], [], 0.5)[0], "four are held"
        with trusting(ca) as client, pytest.raises(httpx.TransportError):
            client.get(f"https://{few.app.http_address}/healthz")
    for _ in range(100):
        with trusting(ca) as client:
            try:
                assert client.get(f"https://{few.app.http_address}/healthz").text == "ok\n"
                return
            except httpx.TransportError:  # until the server has seen that they have left
                continue
    raise AssertionError("the places of those who have left stay taken")


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(few, ca):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with connected(few) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(2**16))
        tls.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        connection.sendall(outgoing.read())  # the last of the handshake, and the request
        answer = b""
        while not answer.endswith(b"ok\n"):
            incoming.write(connection.recv(2**16))
            try:
                answer += tls.read()
            except ssl.SSLWantReadError:
                continue
    assert answer.startswith(b"HTTP/1.1 200")
