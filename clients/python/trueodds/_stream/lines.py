"""The calls that a stream of batches goes over, and which batches are under way on which."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trueodds import errors
from trueodds._stream.flight import LONGEST_PAUSE
from trueodds._stream.pieces import Request, Response
from trueodds._transport.base import Line, Transport


class Lost(NamedTuple):
    """What ended a line, and the names of what had no answer on it."""

    error: errors.TrueoddsError
    names: Sequence[str]


class Lines:
    """A line a connection at most, each opened when all that are open have something to do."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._inbox = transport.inbox()
        self._clock = clock
        self._under_way: dict[Line, set[str]] = {}
        self._grows_at = 0.0

    def __bool__(self) -> bool:
        """Whether any is open."""
        return bool(self._under_way)

    def send(self, request: Request) -> None:
        """Sends it on the line with the fewest under way."""
        line = self._freest()
        self._under_way[line].add(request.batch_id)
        line.send(request)

    async def receive(self, seconds: float) -> Response | Lost | None:
        """What comes next; None where nothing comes for ``seconds``."""
        end = self._clock() + seconds
        while (came := await self._inbox.get(end - self._clock())) is not None:
            line, what = came
            if line not in self._under_way:  # what was given up says so, too
                continue
            if isinstance(what, Response):
                self._under_way[line].discard(what.batch_id)
                return what
            names = sorted(self._under_way.pop(line))
            # The others go on; it is replaced at once only where there is no other.
            self._grows_at = self._clock() + LONGEST_PAUSE
            line.close(cancel=True)
            await line.ended()
            return Lost(what, names)
        return None

    async def close(self, *, cancel: bool) -> None:
        """Ends all; with ``cancel``, what is under way is of no use any more."""
        lines = [*self._under_way]
        self._under_way.clear()
        for line in lines:
            line.close(cancel=cancel)
        for line in lines:
            await line.ended()

    def _freest(self) -> Line:
        freest = min(self._under_way, key=lambda line: len(self._under_way[line]), default=None)
        if freest is not None and (not self._under_way[freest] or not self._may_grow()):
            return freest
        line = self._transport.line(self._inbox)
        self._under_way[line] = set()
        return line

    def _may_grow(self) -> bool:
        return len(self._under_way) < self._transport.connections and (
            self._clock() >= self._grows_at
        )
