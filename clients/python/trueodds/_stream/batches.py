"""The messages of one batch on their way: what is not answered in time goes in smaller ones."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from trueodds import errors
from trueodds._stream.pace import Pace
from trueodds.v1 import scoring_pb2

Request = scoring_pb2.BatchScoreRequest


class _Cancellable(Protocol):
    def cancel(self) -> object: ...


Call = TypeVar("Call", bound=_Cancellable)


@dataclass(slots=True)
class _Sent(Generic[Call]):
    request: Request
    call: Call | None = None
    at: float = 0.0


class Batches(Generic[Call]):
    """Requests in their order, some under way at once. Knows no transport: ``send`` does."""

    def __init__(
        self,
        requests: Iterator[Request],
        send: Callable[[Request], Call],
        pace: Pace,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests
        self._send = send
        self._pace = pace
        self._clock = clock
        self._queue: deque[_Sent[Call]] = deque()

    def next(self) -> Call | None:
        """The call to wait for, once all that may go is sent; None when all are answered."""
        under_way = sum(each.call is not None for each in self._queue)
        for place in range(self._pace.window):
            if place == len(self._queue):
                request = next(self._requests, None)
                if request is None:
                    break
                self._queue.append(_Sent(request))
            # The first always goes: others may be under way that were sent before it was cut.
            if self._queue[place].call is None and (not place or under_way < self._pace.window):
                self._cut(place)
                sent = self._queue[place]
                sent.call, sent.at = self._send(sent.request), self._clock()
                under_way += 1
        return self._queue[0].call if self._queue else None

    def answered(self) -> None:
        """The call to wait for was answered."""
        self._pace.answered(self._clock() - self._queue.popleft().at)

    def too_slow(self, error: errors.DeadlineExceeded) -> None:
        """It was not answered in time: its questions go again. Raises when it was one alone."""
        first = self._queue[0]
        if not self._pace.slower(len(first.request.questions)):
            raise error
        first.call = None

    def cancel(self) -> list[Call]:
        """Gives up what is under way."""
        calls = [each.call for each in self._queue if each.call is not None]
        for call in calls:
            call.cancel()
        return calls

    def _cut(self, place: int) -> None:
        """Puts messages of as many questions as may go together in the place of this one."""
        request, size = self._queue[place].request, self._pace.size
        if len(request.questions) <= size:
            return
        del self._queue[place]
        for first in reversed(range(0, len(request.questions), size)):
            part = request.questions[first : first + size]
            message = Request(settings=request.settings, questions=part)
            self._queue.insert(place, _Sent(message))
