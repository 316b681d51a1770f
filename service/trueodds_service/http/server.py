"""The HTTP server: uvicorn in the gateway's own event loop."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from trueodds_service.config import Settings, is_loopback
from trueodds_service.edge.tls import Certificates
from trueodds_service.errors import ConfigError, InvalidInput, NotFound
from trueodds_service.http.connections import bounded
from trueodds_service.http.handshakes import Handshakes
from trueodds_service.http.own_pages import OwnPages
from trueodds_service.http.refusals import refuse_at
from trueodds_service.rpc.as_json import status_json

_NO_METHOD = 405
# Longer than load balancers keep an idle connection, so that they are who closes it.
_KEEP_ALIVE_SECONDS = 75
_LAST_WORD_SECONDS = 1
_BACKLOG = 2048
# A client that vanished without a word, whose place at the gate would be taken for ever, is noticed
# as soon as over gRPC.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
)


class HttpServer:
    """A running HTTP server. Make and use it inside one event loop."""

    def __init__(
        self,
        settings: Settings,
        routes: Sequence[BaseRoute],
        certificates: Certificates | None = None,
    ) -> None:
        """Binds ``settings.http`` already; with ``certificates`` it speaks TLS.

        Raises ConfigError where it cannot.
        """
        assert settings.http is not None  # noqa: S101 (who calls has looked)
        # For gateways of one service, whose starter holds the port against others.
        self._socket = _bound(settings.http, shared=settings.gateways is not None)
        host, _, _ = settings.http.rpartition(":")
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        own_pages = Middleware(OwnPages, is_loopback=is_loopback(settings.http))
        application = Starlette(
            routes=routes,
            # Where callers are known, a page of another site is not.
            middleware=[] if settings.access == "keys" else [own_pages],
            exception_handlers={HTTPException: _no_route},  # type: ignore[dict-item]
        )
        application.router.redirect_slashes = False
        most = settings.limits.max_connections
        protocol = bounded(most, settings.limits.stream_idle_seconds)
        self._handshakes = None
        if certificates is not None:
            certificates.context()  # it can be made
            self._handshakes = Handshakes(certificates.context, protocol, most)
        config = uvicorn.Config(
            application,
            http=self._handshakes or protocol,  # type: ignore[arg-type]  # what makes one
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            log_level="error",  # a warning for whatever somebody sends would fill a disk
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        config.load()
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait([listening, self._serving], return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            listening.cancel()
            self._serving.result()

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new requests, and lets those under way finish for a while."""
        if self._serving is None:
            self._socket.close()
            return
        # If they were ended meanwhile, they have been told so: they need a moment to pass it on.
        self._server.config.timeout_graceful_shutdown = round(grace_seconds) + _LAST_WORD_SECONDS
        self._server.should_exit = True
        if self._handshakes is not None:
            self._handshakes.end()
        await self._serving
        for connection in [*self._server.server_state.connections]:
            connection.transport.abort()  # whoever does not take his answer


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's, not a server's in it."""
        yield


async def _no_route(request: Request, error: HTTPException) -> Response:
    """What Starlette says where no route is."""
    refuse = refuse_at(request.url.path, status_json)
    if error.status_code == _NO_METHOD:
        allowed = (error.headers or {}).get("Allow", "")
        refused = InvalidInput("method", f"has to be {allowed}", reason="NO_SUCH_METHOD")
        response = refuse(refused)
        response.headers["allow"] = allowed
        return response
    return refuse(NotFound("there is nothing at this path", reason="NO_SUCH_PATH"))


def _bound(address: str, *, shared: bool) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for level, option, value in _KEEPALIVE:  # which its connections inherit
            bound.setsockopt(level, option, value)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(place)
    except OSError as error:
        raise ConfigError(f"http: {address} cannot be listened on ({error.strerror})") from error
    return bound
