"""What a connection sends before anybody knows whose it is."""

import json
import socket
import time
from contextlib import contextmanager, suppress

import pytest

SCORE = "/trueodds.v1.ScoringService/Score"
BODY = json.dumps(
    {
        "settings": {"model": "models/aligned"},
        "question": {"text": "Which?", "options": [{"text": "a"}, {"text": "b"}]},
    }
).encode()
DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def connected(service):
    """A connection to the door, and all that it says until it closes."""

    @contextmanager
    def connected():
        host, _, port = service.app.http_address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            yield connection, lambda: b"".join(iter(lambda: connection.recv(2**16), b""))

    return connected


def test_a_head_without_an_end_is_refused(connected, http):
    """It would take memory of the service's for ever, and whoever sends it needs no key."""
    head = b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 3_000_000
    with connected() as (connection, _), pytest.raises(ConnectionError):
        connection.sendall(head)
    assert http.get("/healthz").text == "ok\n"


def test_an_answer_is_one_packet(connected):
    with connected() as (connection, _):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(2**16).endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"FETCH /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, "NOT_HTTP"),
        (b"GET /healthz HTTP/9.9\r\nhost: localhost\r\n\r\n", 400, "NOT_HTTP"),
        (b"GET /healthz HTTP/1.1\r\na b\r\n\r\n", 400, "NOT_HTTP"),
        (b"\x16\x03\x01\x02\x00", 400, "NOT_HTTP"),  # how TLS begins
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 11_000, 431, "HEAD_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 11_700 + b"\r\n", 431, "HEAD_TOO_LARGE"),
    ],
    ids=["method", "version", "header", "TLS", "size", "size of a whole one"],
)
def test_what_is_no_request_is_refused_as_all_else(connected, head, status, reason):
    with connected() as (connection, said):
        connection.sendall(head)
        first, _, body = said().partition(b"\r\n\r\n")
    lines = first.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/json" in lines
    assert b"content-length: %d" % len(body) in lines
    told = json.loads(body)
    assert told["message"].startswith("head: ")
    assert reason in [each.get("reason") for each in told["details"]]


@pytest.mark.parametrize(
    "header",
    [
        "Host: localhost",
        "Authorization: Bearer x",
        "Trueodds-Tenant: x",
        "Content-Type: text/plain",
        "Content-Length: 2",
        "Request-Timeout: 5",
        "X-Request-Timeout: 5",
        "X-Trueodds-Task: x",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", SCORE, "/v1/decisions", "/console/"])
def test_a_header_that_is_there_twice_is_refused(connected, header, path):
    """One of the two was taken without a word, and not everywhere the same."""
    name = header.partition(":")[0].lower()
    head = [f"POST {path} HTTP/1.1", *(["host: localhost"] if name != "host" else []), header]
    with connected() as (connection, said):
        connection.sendall("\r\n".join([*head, header, "", "{}"]).encode())
        answer = said()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"NOT_HTTP" in answer
    if name != "content-length":  # which the parser itself refuses
        assert f"{name}: is here twice".encode() in answer


@pytest.mark.parametrize(("version", "status"), [("1.1", 400), ("1.0", 200)])
def test_a_host_is_required_where_http_has_it(connected, version, status):
    with connected() as (connection, said):
        connection.sendall(f"GET /healthz HTTP/{version}\r\nconnection: close\r\n\r\n".encode())
        answer = said()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b"host: is required in HTTP/1.1" in answer) == (status == 400)


def test_cookies_may_come_in_several_headers(connected):
    with connected() as (connection, said):
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ncookie: a=b\r\ncookie: c=d\r\n"
            b"connection: close\r\n\r\n"
        )
        assert said().startswith(b"HTTP/1.1 200 ")


def test_what_comes_after_a_body_is_no_header(connected):
    chunks = b"%x\r\n%b\r\n0\r\nrequest-timeout: never\r\n\r\n" % (len(BODY), BODY)
    with connected() as (connection, said):
        connection.sendall(
            f"POST {SCORE} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".encode()
            + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunks
        )
        assert said().startswith(b"HTTP/1.1 200 ")


def test_a_head_that_does_not_come_is_not_waited_for(connected, monkeypatch):
    monkeypatch.setattr("trueodds_service.http.connections._HEAD_SECONDS", 0.1)
    for begun in (b"", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"):
        with connected() as (connection, said):
            connection.sendall(begun)
            assert said() == b""


@pytest.mark.parametrize("cut", [0, 10], ids=["at once", "in two parts"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_an_offer_of_another_protocol_is_passed_over(connected, cut, chunked):
    """As Java's HttpClient makes it with each request: its body is this request's all the same."""
    head = (
        f"POST {SCORE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    )
    if chunked:
        head += "Connection: Upgrade, HTTP2-Settings\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    else:
        head += f"Connection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(BODY)}\r\n\r\n"
        body = BODY
    # The second request on the same connection is one of its own.
    last = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    with connected() as (connection, said):
        connection.sendall(head.encode() + body[:cut])
        connection.sendall(body[cut:] + last)
        answers = said()
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b'"calibratedProbability"' in answers
    assert answers.endswith(b"ok\n")


def test_a_client_that_has_vanished_is_noticed(service):
    listening = service.app._http._socket
    assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_a_line_may_come_a_byte_at_a_time(connected):
    line = json.dumps({"settings": {"model": "models/aligned"}, "questions": []}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in line + b"\n \n" + line)
    with connected() as (connection, said):
        connection.sendall(
            b"POST /trueodds.v1.ScoringService/StreamScore HTTP/1.1\r\nhost: localhost\r\n"
            b"connection: close\r\ncontent-type: application/x-ndjson\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        )
        assert said().count(b"questions: has 0 questions") == 2


def _ask_for_ever(connection, request):
    while True:
        connection.sendall(request)
        time.sleep(0.01)


def _read_to_the_end(connection):
    """Raises OSError where it does not end as it should."""
    while connection.recv(2**16):
        pass
    raise ConnectionResetError


def test_who_takes_nothing_of_an_answer_loses_his_connection(start_service):
    service = start_service(http="127.0.0.1:0", limits={"stream_idle_seconds": 1.0})
    host, port = service.app.http_address.split(":")
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        caller.settimeout(60)
        caller.connect((host, int(port)))
        with pytest.raises(ConnectionError):
            _ask_for_ever(caller, DOCUMENT)


def test_requests_that_pile_up_before_their_answers_end_the_connection(connected):
    with connected() as (connection, _):
        with suppress(ConnectionError):
            connection.sendall(DOCUMENT * 10_000)
        with pytest.raises(ConnectionError):
            _read_to_the_end(connection)
    with connected() as (connection, _):
        connection.sendall(DOCUMENT.replace(b"openapi.json", b"healthz") * 8)
        answers = b""
        while answers.count(b"\r\n\r\nok\n") < 8:
            part = connection.recv(2**16)
            assert part, "a few may wait"
            answers += part
