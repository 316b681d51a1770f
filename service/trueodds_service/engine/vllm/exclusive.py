"""Kinds of request that must never be in an engine at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lanes:
    """Lets any number of callers in, but of one kind at a time.

    While a caller of another kind waits, whoever comes waits too. Once everybody inside has
    left, all who wait and are of the longest waiting one's kind enter: no kind starves, and
    kinds that come in turn still go together.
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
        if not self._inside:
            self._admit()

    def _admit(self) -> None:
        """Lets in whom it may, after the last one has left or a waiting one has given up."""
        waiting = [each for each in self._waiting if not each[1].cancelled()]
        # Those who gave up must not keep those waiting who come next.
        self._waiting = deque(waiting)
        kinds = {kind for kind, _ in waiting}
        if waiting and not self._inside:
            self._kind = waiting[0][0]
        elif kinds != {self._kind}:
            # Callers of another kind are inside, or wait and are not to be overtaken for ever.
            return
        self._waiting.clear()
        for kind, turn in waiting:
            if kind == self._kind:
                self._inside += 1
                turn.set_result(None)
            else:
                self._waiting.append((kind, turn))
