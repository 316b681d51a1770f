"""Connections over TLS until both sides have agreed: they count from the moment they are there.

asyncio's own server tells nobody of them before that, for a minute each.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trueodds_service.http.connections import Connection

# A caller answers within two ways over the network; no person takes part.
_SECONDS = 10.0
# One who only reads when he asks does not answer that the connection ends.
_CLOSING_SECONDS = 1.0


class Handshakes:
    """Those that are under way at one server, which holds ``most`` connections, these included.

    For that server it makes protocols as ``protocol`` does, with the same arguments.
    """

    def __init__(
        self, context: Callable[[], ssl.SSLContext], protocol: type[Connection], most: int
    ) -> None:
        """``context`` gives that of a connection as it begins."""
        self._context = context
        self._protocol = protocol
        self._most = most
        self._under_way: dict[asyncio.Transport, asyncio.Task[None]] = {}
        self._has_ended = False

    def __call__(self, **arguments: Any) -> asyncio.Protocol:
        """What agrees with one caller, and then hands over to a ``Connection``."""
        return _Arriving(self, self._protocol(**arguments))

    def begin(self, arriving: "_Arriving", transport: asyncio.Transport) -> None:
        """Agrees with who has arrived, unless there are too many."""
        count = len(self._under_way) + len(arriving.connection.connections)
        if self._has_ended or count >= self._most:
            transport.abort()
            return
        transport.pause_reading()  # what comes now is not for ``arriving``
        self._under_way[transport] = asyncio.create_task(self._agree(arriving, transport))

    def end(self) -> None:
        """Closes all that are under way, and those that come."""
        self._has_ended = True
        for transport, task in self._under_way.items():
            task.cancel()
            transport.close()

    async def _agree(self, arriving: "_Arriving", transport: asyncio.Transport) -> None:
        agreed = None
        try:
            # Whoever breaks off, is late or cannot be trusted is gone, and so is whose certificate
            # says what Python cannot decode: nobody is left to be told.
            with suppress(OSError, ValueError):
                agreed = await asyncio.get_running_loop().start_tls(
                    transport,
                    arriving,
                    # It reads files, once for each who comes.
                    await asyncio.to_thread(self._context),
                    server_side=True,
                    ssl_handshake_timeout=_SECONDS,
                    ssl_shutdown_timeout=_CLOSING_SECONDS,
                )
        finally:
            del self._under_way[transport]
            if agreed is None:
                transport.abort()
        if agreed is not None:
            arriving.hand_over(agreed)


class _Arriving(asyncio.Protocol):
    def __init__(self, handshakes: Handshakes, connection: Connection) -> None:
        self._handshakes = handshakes
        self.connection = connection
        # A request may come in one piece with the end of the handshake.
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (for the type checker)
        self._handshakes.begin(self, transport)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def hand_over(self, transport: asyncio.Transport) -> None:
        transport.set_protocol(self.connection)
        self.connection.connection_made(transport)
        if self._early:
            self.connection.data_received(b"".join(self._early))
