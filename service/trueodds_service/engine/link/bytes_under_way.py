"""How much may be under way at once, in bytes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class BytesUnderWay:
    """Lets calls in, first come first served, while what they hold together fits.

    One that is larger than the whole room goes alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[bool]:
        """``size`` of it is taken inside; the value is whether that took time."""
        has_to_wait = bool(self._waiting) or not self._fits(size)
        if has_to_wait:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # let in at this very moment
                    self._leave(size)
                self._let_in()
                raise
        else:
            self._held += size
        try:
            yield has_to_wait
        finally:
            self._leave(size)

    def _leave(self, size: int) -> None:
        self._held -= size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled():
                if not self._fits(size):
                    return
                self._held += size
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, size: int) -> bool:
        return not self._held or self._held + size <= self._size
