"""Two kinds of request that must never be in an engine at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """Lets any number of callers in, but of one kind at a time, in the order of their arrival.

    Whoever comes after a waiting caller of another kind waits behind it: neither kind starves.
    """

    def __init__(self) -> None:
        self._kind: str | None = None
        self._inside = 0
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, kind: str) -> AsyncIterator[None]:
        """Enters when only callers of this kind are inside."""
        if self._waiting or (self._inside and kind != self._kind):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((kind, turn))
            try:
                await turn
            except asyncio.CancelledError:
                # Let in and cancelled at once, or gone while waiting.
                self._admit() if turn.cancelled() else self._leave()
                raise
        else:
            self._kind = kind
            self._inside += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            kind, turn = self._waiting[0]
            if not turn.cancelled():
                if self._inside and kind != self._kind:
                    return
                self._kind = kind
                self._inside += 1
                turn.set_result(None)
            self._waiting.popleft()
