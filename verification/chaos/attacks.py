"""What strangers send over gRPC: nonsense, half of something, too much, or too slowly. Loopback
alone.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from trueodds.v1 import question_pb2, scoring_pb2
from verification.chaos import http2
from verification.chaos.alone import Gateway
from verification.chaos.malformed import Requests
from verification.chaos.service import MODEL
from verification.chaos.siege import Broken
from verification.fuzz.calls import METHODS, Call, Method
from verification.fuzz.calls import send as send_calls

_SEED = 0
_CALLERS = 8
_CALL_SECONDS = 60.0
# What the contract never answers.
_FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED}


def malformed_messages(target: Gateway, count: int) -> None:
    """Bytes that are nearly a request of the method's own, to every method: where it takes a stream
    of them, one of several. Raises Broken.
    """
    methods = [*METHODS.values()]
    requests = Requests.about(target)

    def send(share: int) -> None:
        drawn = random.Random(share)
        with grpc.insecure_channel(
            target.address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            for number in range(share, count, _CALLERS):
                method = methods[number // _CALLERS % len(methods)]
                _check_ending(channel, method, requests.spoilt(method, drawn))

    with ThreadPoolExecutor(_CALLERS) as threads:
        list(threads.map(send, range(_CALLERS)))


def _check_ending(channel: grpc.Channel, method: Method, contents: Sequence[bytes]) -> None:
    call = Call(method, contents[0], _CALL_SECONDS, more=contents[1:])
    [ending] = send_calls(channel, [call])
    if ending.code in _FAULTS:
        said = "" if ending.status is None else ending.status.message
        sent = ", ".join(content.hex() for content in contents)
        raise Broken(f"{method.name}: {ending.code.name} {said} of {sent[:2_000]}")


def _request() -> bytes:
    question = question_pb2.Question(
        text="What colour?",
        options=[question_pb2.Option(text=text) for text in ("red", "green", "blue")],
    )
    settings = scoring_pb2.ScoreSettings(model=f"models/{MODEL}")
    return scoring_pb2.ScoreRequest(settings=settings, question=question).SerializeToString()


def broken_connections(target: Gateway, count: int) -> None:
    """Connections that end, by RST or FIN, in the middle of everything that there is."""
    request = http2.message(_request())
    block = http2.headers()
    begun = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block)
    whole = http2.PREFACE + http2.frame(http2.SETTINGS)
    data = http2.frame(http2.DATA, 0, 1, request)
    beginnings = [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        http2.PREFACE[:10],
        http2.PREFACE + http2.frame(http2.SETTINGS)[:5],
        whole + begun[:20],
        whole + begun,
        whole + begun + data[:15],
        whole + begun + data,
        whole + begun + http2.frame(http2.DATA, 1, 1, request),
        whole + begun + http2.frame(http2.DATA, 1, 1, http2.message(b"", length=2**32 - 1)),
        whole + begun + http2.frame(http2.DATA, 1, 1, http2.message(b"x", compressed=1)),
        whole + begun + http2.frame(http2.DATA, 1, 1, http2.message(b"x", compressed=77)),
    ]
    drawn = random.Random(_SEED)
    for number in range(count):
        # What the server thinks of it is its own affair.
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", target.port), timeout=30)
            connection.sendall(beginnings[number % len(beginnings)])
            end(connection, by_reset=drawn.random() < 0.5)


def end(connection: socket.socket, *, by_reset: bool) -> None:
    """Ends it as a cut line does, with RST, or with FIN."""
    if by_reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def slow_readers_and_writers(target: Gateway, count: int) -> None:
    """Half of them write a request a byte at a time, half ask for answers and read none."""
    request = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers())
    request += http2.frame(http2.DATA, http2.END_STREAM, 1, http2.message(_request()))
    no_window = struct.pack(">HI", 4, 0)
    writers = [http2.connect(target.port) for _ in range(count // 2)]
    readers = [http2.connect(target.port, settings=no_window) for _ in range(count - count // 2)]
    for reader in readers:
        for stream in range(1, 2 * _STREAMS_OF_A_READER, 2):
            with contextlib.suppress(OSError):
                reader.sendall(_on_stream(request, stream))
    write_slowly(writers, request)
    for connection in (*writers, *readers):
        connection.close()


def write_slowly(writers: Sequence[socket.socket], request: bytes) -> None:
    """A byte at a time, on all of them."""
    for place in range(len(request)):
        for writer in writers:
            with contextlib.suppress(OSError):
                writer.send(request[place : place + 1])
        time.sleep(_SLOW_SECONDS)


_STREAMS_OF_A_READER = 20
_SLOW_SECONDS = 0.02


def _on_stream(request: bytes, stream: int) -> bytes:
    """The frames of a request on stream 1, on another one."""
    changed, place = bytearray(request), 0
    while place < len(changed):
        length = int.from_bytes(changed[place : place + 3], "big")
        changed[place + 5 : place + 9] = struct.pack(">I", stream)
        place += 9 + length
    return bytes(changed)


def floods(target: Gateway, count: int) -> None:
    """``count`` frames of each kind of flood, each kind on its own connection, all at once. Raises
    Broken where the server does not take them, for then nothing was tried.
    """
    with ThreadPoolExecutor(len(_FLOODS)) as threads:
        sent = list(
            threads.map(
                lambda frames: flood(lambda: http2.connect(target.port), frames, count), _FLOODS
            )
        )
    for frames, number in zip(_FLOODS, sent, strict=True):
        if number < count:
            raise Broken(f"of {count} frames of {frames.__name__} only {number} were taken")


def flood(connect: Callable[[], socket.socket], pieces: Callable[[int], bytes], count: int) -> int:
    """Sends what is taken, and connects again, from the first piece on, where the server has hung
    up; how many were taken.
    """
    sent = 0
    ends = time.monotonic() + _FLOOD_SECONDS
    while sent < count and time.monotonic() < ends:
        with (
            contextlib.suppress(OSError),
            contextlib.closing(connect()) as flooded,
        ):
            drained = threading.Thread(target=_drain, args=(flooded,), daemon=True)
            drained.start()
            here = 0
            while sent < count and time.monotonic() < ends:
                chunk = range(here, here + min(100, count - sent))
                flooded.sendall(b"".join(map(pieces, chunk)))
                here = chunk.stop
                sent += len(chunk)
    return sent


_FLOOD_SECONDS = 60.0


def _drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while connection.recv(65_536):
            pass


def _rapid_reset(number: int) -> bytes:
    stream = 2 * number + 1
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream, http2.headers()) + http2.frame(
        http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL)
    )


def _ping(number: int) -> bytes:
    return http2.frame(http2.PING, payload=struct.pack(">Q", number))


def _settings(number: int) -> bytes:
    return http2.frame(http2.SETTINGS, payload=struct.pack(">HI", 4, 65_535 + number % 2))


def _huge_headers(number: int) -> bytes:
    """Every hundredth is of a megabyte, which is more than anybody allows."""
    if number % 100:
        return b""
    value = "x" * (2**20)
    block = http2.headers(("x-huge", value))
    pieces = [
        block[at : at + http2.MOST_OF_A_FRAME] for at in range(0, len(block), http2.MOST_OF_A_FRAME)
    ]
    stream = 2 * number + 1
    frames = [http2.frame(http2.HEADERS, 0, stream, pieces[0])]
    frames += [http2.frame(http2.CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]]
    return b"".join([*frames, http2.frame(http2.CONTINUATION, 4, stream, pieces[-1])])


def _endless_headers(number: int) -> bytes:
    """A block that never ends."""
    first = http2.frame(http2.HEADERS, 0, 1, http2.headers())
    more = http2.frame(http2.CONTINUATION, 0, 1, http2.headers())
    return more if number else first


def _empty_data(number: int) -> bytes:
    begun = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers())
    return http2.frame(http2.DATA, 0, 1) if number else begun


def _unknown_frames(number: int) -> bytes:
    return http2.frame(0xFA, number % 256, number % 7, bytes(64))


_FLOODS: Sequence[Callable[[int], bytes]] = (
    _rapid_reset,
    _ping,
    _settings,
    _huge_headers,
    _endless_headers,
    _empty_data,
    _unknown_frames,
)
