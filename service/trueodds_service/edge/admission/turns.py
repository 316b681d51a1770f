"""Whose request a gateway begins next, where one asks little and another brings thousands."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from trueodds_service import urgency
from trueodds_service.edge.time_limits import expiring
from trueodds_service.fair import FairQueue

# How much of its time the event loop may be at work, all told, as requests of those who ask much
# begin beside one who asks little.
_SHARE = 0.4
# What it may have worked less before, or more, counts as this much at most.
_MOST_CREDIT_SECONDS, _MOST_DEBT_SECONDS = 0.005, 0.02
# After each, the loop's work is measured; one request begins.
_TICK_SECONDS = 0.001
# How long after its last request a tenant is taken to ask still; also, after how long a request
# counts half in how much a tenant asks.
_ASKS_SECONDS = 2.0


class Turns:
    """Keeps the event loop of a gateway free for tenants who ask little.

    A request takes about a millisecond of the loop, whatever becomes of it, and arrives in one
    queue with all others. While a tenant asks little, the requests of the others therefore begin
    one by one, theirs in turn, and only as fast as leaves the loop most of its time. What waits
    here fills the connections of those who send it, and what is more stays with them.

    A tenant asks little who makes less than half of its fair share of the requests. Where nobody
    does, or there are no tenants, nobody waits. Use it inside one event loop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        """``worked`` is for how many seconds the thread of the loop has worked so far."""
        self._clock, self._worked = clock, worked
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(quantum=1)
        # Of tenants who ask still, the last to ask last; and of all.
        self._asking: OrderedDict[str, _Rate] = OrderedDict()
        self._all = _Rate(clock())
        # Until when there is one who asks little.
        self._paced_until = -float("inf")
        self._credit = _MOST_CREDIT_SECONDS
        self._measured = (clock(), worked())
        # When the next tick is due, while anything waits.
        self._due: float | None = None

    async def turn(self, tenant: str) -> None:
        """Waits until it is the tenant's turn. Raises Expired where the deadline passes before."""
        now = self._clock()
        if self._asks_little(tenant, now):
            self._paced_until = now + _ASKS_SECONDS
            return
        if now >= self._paced_until:
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(tenant, turn, 1)
        if self._due is None:
            self._tick()
        try:
            async with expiring(urgency.seconds_left(), "the deadline passed before it was begun"):
                await turn
        finally:
            self._waiting.remove(tenant, turn)

    def _asks_little(self, tenant: str, now: float) -> bool:
        """Counts a request of the tenant's."""
        rate = self._asking.setdefault(tenant, _Rate(now))
        self._asking.move_to_end(tenant)
        while (first := next(iter(self._asking.items())))[1].at < now - _ASKS_SECONDS:
            del self._asking[first[0]]
        return rate.one_more(now) * len(self._asking) < self._all.one_more(now) / 2

    def _tick(self) -> None:
        now, worked = self._clock(), self._worked()
        before, had_worked = self._measured
        # A loop that is late was at work, or had no core.
        late = 0.0 if self._due is None else now - self._due
        self._credit += _SHARE * (now - before) - max(worked - had_worked, late)
        self._credit = min(max(self._credit, -_MOST_DEBT_SECONDS), _MOST_CREDIT_SECONDS)
        self._measured, self._due = (now, worked), None
        if now >= self._paced_until:
            while self._waiting:
                self._begin()
        elif self._waiting and self._credit > 0:
            self._begin()
        if self._waiting:
            self._due = now + _TICK_SECONDS
            asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _begin(self) -> None:
        turn = self._waiting.take()
        if not turn.done():  # its caller has just left
            turn.set_result(None)


class _Rate:
    """How many requests there were of late: each counts less and less."""

    __slots__ = ("_number", "at")

    def __init__(self, now: float) -> None:
        self.at = now
        """When the last one came."""
        self._number = 0.0

    def one_more(self, now: float) -> float:
        """How many there are with one more."""
        self._number = 1 + self._number * 0.5 ** ((now - self.at) / _ASKS_SECONDS)
        self.at = now
        return self._number
