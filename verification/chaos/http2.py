"""HTTP/2 as an attacker writes it: frames by hand, over a plain socket.

RFC 9113; of RFC 7541 only literal headers, without Huffman's code and without an index.
"""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *(0, 1, 3, 4, 6, 7, 8, 9),
)
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8
MOST_OF_A_FRAME = 2**14
SCORE = "/trueodds.v1.ScoringService/Score"


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(*more: tuple[str, str], path: str = SCORE) -> bytes:
    """The block of a request of gRPC."""
    block = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]
    return b"".join(_literal(name.encode(), value.encode()) for name, value in block)


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if number < 127:
        return bytes([number])
    rest, coded = number - 127, [127]
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    return bytes([*coded, rest])


def message(content: bytes, *, length: int | None = None, compressed: int = 0) -> bytes:
    """A message of gRPC, of which the length may be a lie."""
    return struct.pack(">BI", compressed, len(content) if length is None else length) + content


def connect(port: int, *, settings: bytes = b"", seconds: float = 30.0) -> socket.socket:
    """A connection to loopback that has said that it speaks HTTP/2."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    connection.sendall(PREFACE + frame(SETTINGS, payload=settings))
    return connection
