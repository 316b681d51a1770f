"""What the calls share."""

# A timeout is the server's to know as well.

from collections.abc import Callable

from trueodds._transport.base import Method, Request, Response, Stubs, Transport


class Calls:
    """The calls to one server, as coroutines over a transport, awaited or blocking."""

    def __init__(self, transport: Transport, timeout: float, patience: float, retries: int) -> None:
        self._transport = transport
        self._timeout = timeout
        self._patience = patience
        self._retries = retries
        self._is_closed = False

    @property
    def server(self) -> str:
        """The address of the server."""
        return self._transport.server

    async def close(self) -> None:
        """Closes the connection; calls under way fail."""
        self._is_closed = True
        await self._transport.close()

    async def _ask(
        self,
        method: Callable[[Stubs], Method[Request, Response]],
        request: Request,
        timeout: float | None,
    ) -> Response:
        return await self._transport.ask(method, request, self._limit(timeout))

    def _limit(self, timeout: float | None) -> float:
        """The timeout of a call: its own, else the client's."""
        return self._timeout if timeout is None else timeout
