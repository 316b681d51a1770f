"""What strangers send to the HTTP door: nonsense, half of something, too much, or too slowly.
Loopback alone.
"""

import contextlib
import http.client
import random
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from verification.chaos.alone import Gateway
from verification.chaos.attacks import end, flood, write_slowly
from verification.chaos.malformed import spoilt
from verification.chaos.service import MODEL
from verification.chaos.siege import Broken

_SEED = 0
_CALLERS = 8
_CALL_SECONDS = 60.0
# What the contract never answers.
_FAULTS = {500, 501, 502, 504}
_SLOW_SECONDS = 0.02
# At once on one connection: as many as may wait for the answers to those before them.
_PIPELINED = 16

_DECISION = (
    b'{"model": "%b", "input": "The light is red.", "questions": [{"type": "choice", "name": "go", '
    b'"instructions": "What now?", "choices": [{"value": "stop"}, {"value": "go"}]}]}'
)
_SYSTEM_ONE = (
    b'{"model": "%b", "state": "The light is red.", "questions": {"go": {"type": "choice", '
    b'"instructions": "What now?", "criteria": {"stop": null, "go": null}}}}'
)
_SCORE = (
    b'{"settings": {"model": "models/%b"}, "question": {"text": "What colour?", '
    b'"options": [{"text": "red"}, {"text": "green"}]}}'
)
_STREAM = _SCORE.replace(b'"question": {', b'"questions": [{').replace(b"]}}", b"]}]}")
_METHODS = "/trueodds.v1.ScoringService"
BODIES = {
    "/v1/decisions": _DECISION % MODEL.encode(),
    "/v1/systemone": _SYSTEM_ONE % MODEL.encode(),
    f"{_METHODS}/Score": _SCORE % MODEL.encode(),
    f"{_METHODS}/StreamScore": _STREAM % MODEL.encode(),
}


def malformed_bodies(target: Gateway, count: int) -> None:
    """Bytes that are nearly JSON, to every route of answers. Raises Broken."""
    routes = [*BODIES.items()]

    def send(share: int) -> None:
        drawn = random.Random(share)
        connection = http.client.HTTPConnection(
            "127.0.0.1", target.http_port, timeout=_CALL_SECONDS
        )
        with contextlib.closing(connection):
            for number in range(share, count, _CALLERS):
                path, body = routes[number // _CALLERS % len(routes)]
                headers = {"content-type": "application/json"}
                connection.request("POST", path, spoilt(body, drawn), headers)
                response = connection.getresponse()
                said = response.read()
                # A stream has begun with 200 before it fails.
                if response.status in _FAULTS or b"INTERNAL" in said:
                    raise Broken(f"{path}: {response.status}: {said[:200]!r}")

    with ThreadPoolExecutor(_CALLERS) as threads:
        list(threads.map(send, range(_CALLERS)))


def broken_http(target: Gateway, count: int) -> None:
    """Connections that end, by RST or FIN, in the middle of everything that there is."""
    whole = _request("/v1/systemone")
    head = whole[: whole.index(b"\r\n\r\n") + 4]
    chunked = head.replace(b"content-length: %d" % _length(whole), b"transfer-encoding: chunked")
    lines = _head(f"{_METHODS}/StreamScore", b"content-type: application/x-ndjson")
    beginnings = [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/sys",
        head[:-9],
        head,
        whole[:-10],
        whole,
        whole + whole[:50],
        whole * _PIPELINED,
        chunked,
        chunked + b"ffffffffffffffff\r\n",
        chunked + b'5\r\n{"mod',
        chunked + b"-1\r\n\r\n",
        lines + b"transfer-encoding: chunked\r\n\r\n10\r\n" + bytes(16),
        head.replace(b"content-length: %d" % _length(whole), b"content-length: 99999999999999"),
        head.replace(b"POST", b"CONNECT"),
        head.replace(b"host:", b"expect: 100-continue\r\nhost:"),
        head.replace(b"host:", b"upgrade: h2c\r\nconnection: upgrade\r\nhost:"),
    ]
    drawn = random.Random(_SEED)
    for number in range(count):
        # What the server thinks of it is its own affair.
        with contextlib.suppress(OSError):
            connection = _connect(target)
            connection.sendall(beginnings[number % len(beginnings)])
            if drawn.random() < 0.5:
                time.sleep(drawn.random() * _SLOW_SECONDS)  # some have begun to be answered
            end(connection, by_reset=drawn.random() < 0.5)


def slow_http(target: Gateway, count: int) -> None:
    """Half of them write a request a byte at a time, half ask for answers and read none."""
    writers = [_connect(target) for _ in range(count // 2)]
    readers = [_connect(target, window=1024) for _ in range(count - count // 2)]
    for reader in readers:
        # Of some megabytes: what the kernel holds is not enough.
        with contextlib.suppress(OSError):
            reader.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * _PIPELINED)
    write_slowly(writers, _request("/v1/systemone"))
    for connection in (*writers, *readers):
        connection.close()


def http_floods(target: Gateway, count: int) -> None:
    """``count`` pieces of each kind of flood, each kind on its own connection, all at once. Raises
    Broken where the server does not take them, for then nothing was tried.
    """

    def sent(pieces: Callable[[int], bytes]) -> int:
        return flood(lambda: _connect(target), pieces, count)

    def answered(path: str) -> int:
        return sum(_answered(target, path) for _ in range(count // _PIPELINED)) * _PIPELINED

    with ThreadPoolExecutor(len(_FLOODS) + len(_FLOODED)) as threads:
        floods = {each.__name__: threads.submit(sent, each) for each in _FLOODS}
        floods |= {path: threads.submit(answered, path) for path in _FLOODED}
        taken = {name: flooding.result() for name, flooding in floods.items()}
    for name, number in taken.items():
        if number < count // _PIPELINED * _PIPELINED:
            raise Broken(f"of {count} pieces of {name} only {number} were taken")


_FLOODED = ("/v1/systemone", "/nowhere")


def _answered(target: Gateway, path: str) -> bool:
    """Whether all requests are that are sent at once, on a connection of their own."""
    with contextlib.closing(_connect(target)) as connection:
        connection.sendall(_request(path) * _PIPELINED)
        said = b""
        while said.count(b"HTTP/1.1 ") < _PIPELINED and (more := connection.recv(2**16)):
            said += more
    return said.count(b"HTTP/1.1 ") == _PIPELINED


def _endless_head(number: int) -> bytes:
    return (
        b"x-%d: %b\r\n" % (number, bytes(100).hex().encode()) if number else b"GET / HTTP/1.1\r\n"
    )


def _endless_line(number: int) -> bytes:
    return b"x" * 1000 if number else b"GET /"


def _tiny_chunks(number: int) -> bytes:
    head = _head("/v1/systemone", b"content-type: application/json")
    return b"1\r\n \r\n" if number else head + b"transfer-encoding: chunked\r\n\r\n"


def _empty_lines(number: int) -> bytes:
    """Of a stream whose lines hold nothing."""
    head = _head(f"{_METHODS}/StreamScore", b"content-type: application/x-ndjson")
    return b"2\r\n \n\r\n" if number else head + b"transfer-encoding: chunked\r\n\r\n"


_FLOODS: Sequence[Callable[[int], bytes]] = (
    _endless_head,
    _endless_line,
    _tiny_chunks,
    _empty_lines,
)


def _head(path: str, kind: bytes) -> bytes:
    """What begins a request, but for the line that ends it."""
    return b"POST %b HTTP/1.1\r\nhost: localhost\r\n%b\r\n" % (path.encode(), kind)


def _request(path: str) -> bytes:
    body = BODIES.get(path, b"{}")
    head = _head(path, b"content-type: application/json")
    return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def _length(request: bytes) -> int:
    """Of its body."""
    return len(request.partition(b"\r\n\r\n")[2])


def _connect(target: Gateway, *, window: int | None = None) -> socket.socket:
    """With a ``window``, in bytes, it takes hardly more than that before it is read."""
    connection = socket.socket()
    if window is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.settimeout(_CALL_SECONDS)
    connection.connect(("127.0.0.1", target.http_port))
    return connection
