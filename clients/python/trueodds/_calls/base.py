"""What the calls share."""

# A timeout is the server's to know as well.

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from trueodds import errors
from trueodds._channel import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from trueodds._transport.base import Method, Request, Response, Stubs, Transport

Result = TypeVar("Result")


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

    async def _repeated(
        self,
        attempt: Callable[[float, Sequence[errors.Unavailable]], Awaitable[Result]],
        timeout: float,
    ) -> Result:
        """What an attempt gives, made again where it finds the server unavailable, as gRPC does
        with other calls. Each is told the seconds that are left of the timeout, and how those
        before it failed. Where the server says when to come back, and that is too late, there is
        no other one.
        """
        ends = time.monotonic() + timeout
        pause, retries = FIRST_PAUSE_SECONDS, self._retries
        before: list[errors.Unavailable] = []
        while True:
            try:
                return await attempt(ends - time.monotonic(), before)
            except errors.Unavailable as error:
                told = max(pause, error.retry_seconds or 0.0)
                if self._is_closed or not retries or time.monotonic() + told >= ends:
                    raise
                before.append(error)
            await self._transport.pause(told)
            pause, retries = min(2 * pause, LONGEST_PAUSE_SECONDS), retries - 1

    def _limit(self, timeout: float | None) -> float:
        """The timeout of a call: its own, else the client's."""
        return self._timeout if timeout is None else timeout
