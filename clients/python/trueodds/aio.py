"""The asyncio client: the methods of ``Client``, awaited."""

from types import TracebackType

from typing_extensions import Self, Unpack

from trueodds._address import server_address
from trueodds._calls.scoring import AllCalls
from trueodds._channel import PATIENCE, RETRIES, TIMEOUT, channel_options, checked_connections
from trueodds._security import Security
from trueodds._transport.awaited import Awaited
from trueodds.options import CONNECTION, ConnectionOptions, spelled_out


class AsyncClient(AllCalls):
    """A connection to a trueodds server, for the event loop of its first call.

    It may be made before there is a loop. Use it in ``async with``. Arguments, results and
    errors are those of ``Client``. Cancelling a call cancels the work.
    """

    @spelled_out(ConnectionOptions, CONNECTION)
    def __init__(
        self,
        server: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        patience: float = PATIENCE,
        connections: int = 1,
        **security: Unpack[ConnectionOptions],
    ) -> None:
        address = server_address(server)
        transport = Awaited(
            address,
            channel_options(address, retries),
            checked_connections(connections),
            Security.of(security, address),
        )
        super().__init__(transport, timeout, patience, retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
