"""How much memory all streams of a gateway hold together, in bytes of messages."""

import asyncio

from trueodds_service.edge.admission.shared_room import SharedRoom
from trueodds_service.metering import Stream


class StreamedBytes:
    """About ``most``, of which no tenant has all. Use it inside one event loop."""

    def __init__(self, most: int) -> None:
        said = f"{most / 2**20:g} MiB of streams"
        self._room = SharedRoom(most, "bytes of streams", said, reason="TOO_MANY_BYTES")
        self._freed = asyncio.Event()

    @property
    def number(self) -> int:
        """How many are held."""
        return self._room.number

    def check(self, tenant: str) -> None:
        """Raises Exhausted where no more are taken of a tenant's."""
        self._room.check(tenant)

    def has_room(self, tenant: str) -> bool:
        """Whether ``check`` raises nothing."""
        return self._room.has_room(tenant)

    def change(self, tenant: str, by: int) -> None:
        """So many more, or fewer, are held."""
        self._room.change(tenant, by)
        if by < 0:
            self._freed.set()

    async def freed(self) -> None:
        """Waits until some are held no more."""
        self._freed.clear()
        await self._freed.wait()


class OpenStream(Stream):
    """What one stream holds."""

    def __init__(self, streamed: StreamedBytes, tenant: str) -> None:
        self._streamed, self._tenant = streamed, tenant
        self._held = 0
        self._is_closed = False

    async def room(self) -> None:
        # With nothing to wait for of its own, it goes on: nobody who does not take their answers
        # stops others.
        while self._held and not self._streamed.has_room(self._tenant):
            await self._streamed.freed()

    def check_room(self) -> None:
        self._streamed.check(self._tenant)

    def hold(self, size: int) -> None:
        # What is still under way as it ends is nobody's any more.
        if not self._is_closed:
            self._held += size
            self._streamed.change(self._tenant, size)

    def close(self) -> None:
        self.hold(-self._held)
        self._is_closed = True
