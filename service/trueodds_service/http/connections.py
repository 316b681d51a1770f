"""A connection of the HTTP server: how much of it, and for how long, is waited for."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from trueodds_service.edge.certificate_names import certificate_names
from trueodds_service.errors import InvalidInput
from trueodds_service.http.arrivals import CERTIFICATE_NAMES
from trueodds_service.http.refusals import refuse_at
from trueodds_service.rpc.as_json import status_json

# The most that a caller may send before it is known.
_MOST_HEAD_BYTES = 2**16
_PIECE_BYTES = 2**12
_HEAD_SECONDS = 60.0
# Requests that may wait on a connection for the answers to those before them.
_MOST_WAITING = 16
_FRAMING = (b"content-length", b"transfer-encoding")
# Of two, some readers take the first and some the last: a proxy may have looked at the other.
_ONCE = frozenset(
    (
        b"host",
        b"origin",
        b"authorization",
        b"trueodds-tenant",
        b"content-type",
        b"content-length",
        b"request-timeout",
        b"x-request-timeout",
        b"x-trueodds-task",
    )
)


def bounded(most: int, idle_seconds: float) -> type["Connection"]:
    """Connections of a server that holds at most ``most`` of them, and none whose caller takes
    nothing of an answer for ``idle_seconds``.
    """

    class Bounded(Connection):
        most_connections = most
        most_idle_seconds = idle_seconds

    return Bounded


class Connection(HttpToolsProtocol):
    """Tells each request whom its certificate is of; closes what is too many, large or slow."""

    most_connections: ClassVar[int]
    most_idle_seconds: ClassVar[float]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]
        self.parser = _Parser(self)
        self.url = b""
        self.passes_over_head = False
        self._in_head = False
        self._problem: InvalidInput | None = None
        # Bytes of which only ``on_header`` has heard: a head, or what stands around a body.
        self._unread_bytes = 0
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._under_way: RequestResponseCycle | None = None
        self._await_head(_HEAD_SECONDS)
        if len(self.connections) > self.most_connections:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_head()
        self._is_taken()
        super().connection_lost(exc)
        # uvicorn tells the newest request; with others waiting behind it, it is not this one.
        if self._under_way is not None and not self._under_way.response_complete:
            self._under_way.disconnected = True
            self._under_way.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(self.most_idle_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._is_taken()
        super().resume_writing()

    def _is_taken(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def data_received(self, data: bytes) -> None:
        while data and not self.transport.is_closing():
            # A head piece by piece: of one that is read at once, nobody would hear how long it was.
            piece = data if self._late is None else data[:_PIECE_BYTES]
            data = data[len(piece) :]
            self._unread_bytes += len(piece)
            super().data_received(piece)
            if self._unread_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
                most = f"is larger than {_MOST_HEAD_BYTES // 1024} KiB"
                self._refuse(InvalidInput("head", most, reason="HEAD_TOO_LARGE"))

    def send_400_response(self, msg: str) -> None:
        """For input that is no HTTP; uvicorn would answer in plain text."""
        problem = "cannot be read as HTTP/1.1: its method, its version or a header is none"
        self._refuse(self._problem or InvalidInput("head", problem, reason="NOT_HTTP"))

    def _refuse(self, error: InvalidInput) -> None:
        """Ends the connection, with a response unless another is under way on it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        response = refuse_at(self.url.partition(b"?")[0].decode("latin-1"), status_json)(error)
        lines = [STATUS_LINE[response.status_code].rstrip()]
        lines += [b"%b: %b" % header for header in response.raw_headers]
        lines += [b"connection: close", b"", bytes(response.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()

    def on_message_begin(self) -> None:
        if not self.passes_over_head:
            super().on_message_begin()
            self._in_head = True
            self.scope["state"][CERTIFICATE_NAMES] = _names_of_client(self.transport)

    def on_url(self, url: bytes) -> None:
        if not self.passes_over_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a body in chunks is no part of the head.
        if self._in_head and not self.passes_over_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        self._has_head()
        if not self.passes_over_head:
            self._in_head = False
            self._problem = _problem_of(self.headers, self.parser.get_http_version())
            if self._problem is not None:
                # To the parser, which stops and has it refused.
                raise ValueError
            super().on_headers_complete()
        self.passes_over_head = False
        if len(self.pipeline) > _MOST_WAITING:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        if not _is_offer(self.parser):
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._await_head(self.timeout_keep_alive + _HEAD_SECONDS)

    def _await_head(self, seconds: float) -> None:
        self._has_head()
        self._late = self.loop.call_later(seconds, self.transport.close)

    def _has_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Joining:
    """A transport that writes at once what is written within a turn of the event loop: uvicorn
    writes a response's head and its body, which would be two packets.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class _Parser(httptools.HttpRequestParser):
    """Goes on in HTTP/1.1 where a request offers another protocol.

    Java's HttpClient offers HTTP/2 with each request unless told otherwise. httptools takes what
    comes after such a head for the other protocol's, and the request would have no body.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # as uvicorn gives it
        while True:
            try:
                super().feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                if not _is_offer(self):
                    raise
                # The same head again, without the offer, tells how long the body is.
                self._connection.passes_over_head = True
                lines = [b"%b / HTTP/%b" % (self.get_method(), self.get_http_version().encode())]
                lines += [
                    b"%b: %b" % each for each in self._connection.headers if each[0] in _FRAMING
                ]
                data = b"\r\n".join((*lines, b"", data[offer.args[0] :]))


def _problem_of(headers: Iterable[tuple[bytes, bytes]], version: str) -> InvalidInput | None:
    """Why a head can be understood in two ways, or in none."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name not in _ONCE:
            continue
        if name in seen:
            return InvalidInput(name.decode(), "is here twice", reason="NOT_HTTP")
        seen.add(name)
    if b"host" not in seen and version == "1.1":
        return InvalidInput("host", "is required in HTTP/1.1", reason="NOT_HTTP")
    return None


def _is_offer(parser: httptools.HttpRequestParser) -> bool:
    """Whether what was read of a message is its head alone, since it offers another protocol."""
    return bool(parser.should_upgrade()) and parser.get_method() != b"CONNECT"


def _names_of_client(transport: asyncio.Transport) -> tuple[str, ...]:
    connection = transport.get_extra_info("ssl_object")
    shown = None if connection is None else connection.getpeercert(binary_form=True)
    return certificate_names(ssl.DER_cert_to_PEM_cert(shown).encode()) if shown else ()
