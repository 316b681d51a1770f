"""How much memory all streams of a gateway hold together, in bytes of messages."""

import asyncio

from trueodds_service.errors import Exhausted
from trueodds_service.metering import Stream

_RETRY_SECONDS = 2.0


class StreamedBytes:
    """About ``most``. Use it inside one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._freed = asyncio.Event()
        self.number = 0

    @property
    def are_too_many(self) -> bool:
        return self.number >= self._most

    def change(self, by: int) -> None:
        self.number += by
        if by < 0:
            self._freed.set()

    async def freed(self) -> None:
        """Waits until some are held no more."""
        self._freed.clear()
        await self._freed.wait()


class OpenStream(Stream):
    """What one stream holds."""

    def __init__(self, streamed: StreamedBytes) -> None:
        self._streamed = streamed
        self._held = 0

    async def room(self) -> None:
        # With nothing to wait for of its own, it goes on: nobody who does not take their answers
        # stops others.
        while self._held and self._streamed.are_too_many:
            await self._streamed.freed()

    def check_room(self) -> None:
        if self._streamed.are_too_many:
            raise Exhausted(
                "streams hold as much as the service has memory for; try again",
                reason="TOO_MANY_BYTES",
                retry_seconds=_RETRY_SECONDS,
            )

    def hold(self, size: int) -> None:
        self._held += size
        self._streamed.change(size)

    def close(self) -> None:
        self.hold(-self._held)
