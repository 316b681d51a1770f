"""Whose request a gateway begins next, where one asks little and another brings thousands."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from trueodds_service import urgency
from trueodds_service.edge.time_limits import expiring
from trueodds_service.errors import Exhausted
from trueodds_service.fair import FairQueue

# While the event loop is at work for less than this part of its time, requests begin.
_SHARE = 0.5
# Time that it did not work, or worked beyond that, is remembered up to this much.
_MOST_CREDIT_SECONDS, _MOST_DEBT_SECONDS = 0.005, 0.02
# How often that is looked at, and how many requests begin at a time.
_TICK_SECONDS = 0.001
_AT_ONCE = 2
# One request begins as often as this whatever else the loop does: nobody waits for ever.
_AT_LEAST_EACH_SECONDS = 0.005
# How long others wait for their turns after a request for which they do.
_PACED_SECONDS = 10.0
# After this time a request counts half in how much a tenant asks.
_HALF_LIFE_SECONDS = 2.0
# The first requests of a tenant are taken for what it asks in so long.
_NEW_SECONDS = 0.25
# Of one tenant, for each request that the gateway works on at most.
_MOST_WAITING = 4
_RETRY_SECONDS = 0.5


class Turns:
    """Keeps the event loop of a gateway free for tenants who ask little.

    A request takes about a millisecond of the loop, whatever becomes of it, and arrives in one
    queue with all others. While a tenant asks little, requests of the others therefore wait for
    their turns, tenant by tenant, and begin only as fast as leaves the loop time. Those that wait
    fill the connections of those who send them, and what is more waits there.

    A tenant asks little who makes less than half of its fair share of the requests. Where nobody
    does, or there are no tenants, nobody waits. Use it inside one event loop.
    """

    def __init__(
        self,
        max_requests: int,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        """``max_requests`` is how many the gateway works on; ``worked`` says for how many seconds
        the thread of the loop has worked so far.
        """
        self._most_waiting = _MOST_WAITING * max_requests
        self._clock, self._worked = clock, worked
        self._waiting, self._late = FairQueue[_Waiting](quantum=1), FairQueue[_Waiting](quantum=1)
        self._rates = _Rates()
        # Who asks little, and when it last did; who asked last comes last.
        self._little: OrderedDict[str, float] = OrderedDict()
        self._is_ticking = False
        self._due = math.inf
        self._credit = 0.0
        self._measured = (clock(), worked())
        self._begun_at = -math.inf

    async def turn(self, tenant: str, *, others_wait: bool) -> None:
        """Waits until it is the tenant's turn; ``others_wait`` for it where the tenant asks little.

        Raises Expired where the deadline passes before, and Exhausted where too many wait.
        """
        now = self._clock()
        asks_little = self._rates.asks_little(tenant, now)
        if not asks_little:
            self._little.pop(tenant, None)
        elif others_wait:
            self._little[tenant] = now
            self._little.move_to_end(tenant)
        if asks_little or not self._is_paced(now):
            return
        if self._waiting.number_of(tenant) + self._late.number_of(tenant) >= self._most_waiting:
            raise Exhausted(
                "too many requests of this tenant wait for their turn; try again",
                reason="TOO_MANY_REQUESTS",
                retry_seconds=_RETRY_SECONDS,
            )
        left = urgency.seconds_left()
        one = _Waiting(
            tenant,
            asyncio.get_running_loop().create_future(),
            math.inf if left is None else now + left / 2,
        )
        self._waiting.add(tenant, one, 1)
        if not self._is_ticking:
            self._tick()
        try:
            async with expiring(left, "the deadline passed before it was the request's turn"):
                await one.turn
        finally:
            self._waiting.remove(tenant, one)
            self._late.remove(tenant, one)

    def _is_paced(self, now: float) -> bool:
        """Whether others wait for their turns, for somebody asks little."""
        while self._little and next(iter(self._little.values())) < now - _PACED_SECONDS:
            self._little.popitem(last=False)
        return bool(self._little)

    def _tick(self) -> None:
        now, worked = self._clock(), self._worked()
        before, had_worked = self._measured
        # A loop that is late by more than its timers are had no core, or waited for Python's lock.
        late = now - self._due - _TICK_SECONDS
        self._credit += _SHARE * (now - before) - max(worked - had_worked, late)
        self._credit = min(max(self._credit, -_MOST_DEBT_SECONDS), _MOST_CREDIT_SECONDS)
        self._measured = (now, worked)
        is_paced = self._is_paced(now)
        if not is_paced:
            self._begin(1, now)  # and others when the loop has seen what else there is
        elif self._credit > 0:
            self._begin(_AT_ONCE, now)
        elif now >= self._begun_at + _AT_LEAST_EACH_SECONDS:
            self._begin(1, now)
        self._is_ticking = bool(self._waiting or self._late)
        self._due = now + is_paced * _TICK_SECONDS if self._is_ticking else math.inf
        if self._is_ticking:
            asyncio.get_running_loop().call_later(is_paced * _TICK_SECONDS, self._tick)

    def _begin(self, number: int, now: float) -> None:
        self._begun_at = now
        for _ in range(number):
            while self._waiting and now > (first := self._waiting.first()[0]).is_late_at:
                # Those behind have more of their time left for what comes after.
                self._waiting.remove(first.tenant, first)
                self._late.add(first.tenant, first, 1)
            if queue := self._waiting or self._late:
                one = queue.take()
                if not one.turn.done():  # its caller has just left
                    one.turn.set_result(None)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request; after ``is_late_at`` less than half of its time is left."""

    tenant: str
    turn: asyncio.Future[None]
    is_late_at: float


class _Rates:
    """How many requests tenants make: each counts less and less, and in the end nothing."""

    def __init__(self) -> None:
        # Those who asked within the time for which others are paced; who asked last comes last.
        self._of: OrderedDict[str, _Rate] = OrderedDict()
        self._all = 0.0
        self._at = 0.0

    def asks_little(self, tenant: str, now: float) -> bool:
        """Whether the tenant, who makes a request, makes less than half of its fair share."""
        self._all = 1 + self._all * _left(now - self._at)
        self._at = now
        rate = self._of.pop(tenant, None) or _Rate(now, now)
        rate.number = 1 + rate.number * _left(now - rate.at)
        rate.at = now
        self._of[tenant] = rate
        while (first := next(iter(self._of.values()))).at < now - _PACED_SECONDS:
            self._of.popitem(last=False)
            self._all -= first.number * _left(now - first.at)
        # As many as there would be had it asked so all along.
        seconds = max(now - rate.since, _NEW_SECONDS)
        return rate.number / (1 - _left(seconds)) * len(self._of) < self._all / 2


@dataclass(slots=True)
class _Rate:
    since: float
    at: float
    number: float = 0.0


def _left(seconds: float) -> float:
    """What of a request counts after so long."""
    return math.pow(0.5, seconds / _HALF_LIFE_SECONDS)
