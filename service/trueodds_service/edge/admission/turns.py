"""When the requests begin of a tenant who is refused most of what it asks."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trueodds_service import urgency
from trueodds_service.edge.time_limits import expiring
from trueodds_service.errors import Exhausted, ServiceError
from trueodds_service.fair import FairQueue

# While the event loop is at work for less than this part of its time, requests that wait begin.
_SHARE = 0.5
# Time that it did not work, or worked beyond that, is remembered up to this much.
_MOST_CREDIT_SECONDS, _MOST_DEBT_SECONDS = 0.005, 0.02
# How often that is looked at, and how many requests begin at a time.
_TICK_SECONDS = 0.001
_AT_ONCE = 2
# One of all that wait begins about as often as this, whatever else the loop does.
_AT_LEAST_EACH_SECONDS = 0.005
# After this time a request counts half.
_HALF_LIFE_SECONDS = 2.0
# So many refused, as they count: some 35 a second. Fewer cost the loop nothing that is noticed.
_MANY = 100.0
# So long after its last request nobody waits for a tenant any more.
_GONE_SECONDS = 10.0
# Of the service: who asks is not to blame.
_FAULTS = {"UNAVAILABLE", "INTERNAL"}
# Of one tenant, as dozens of connections hold them; what is more is refused at once.
_MOST_WAITING = 16_384


class Turns:
    """Keeps the event loop of a gateway free of tenants who ask far more than they are given.

    A request takes about a millisecond of the loop, also one that is refused, and arrives in one
    queue with all others. So the requests of a tenant, when more than half of its last ones were
    refused, and many, wait for their turns while other tenants ask: they begin only as fast as
    leaves the loop time. Those that wait fill the connections of gRPC of those who send them, and
    what is more waits there. No other tenant's wait. Use it inside one event loop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        """``worked`` says for how many seconds the thread of the loop has worked so far."""
        self._clock, self._worked = clock, worked
        # Who asked last comes last.
        self._tenants: OrderedDict[str, _Asked] = OrderedDict()
        self._waiting, self._late = FairQueue[_Waiting](quantum=1), FairQueue[_Waiting](quantum=1)
        self._is_ticking = False
        self._due = math.inf
        self._credit = 0.0
        self._measured = (clock(), worked())
        self._begun_at = -math.inf

    @contextmanager
    def counted(self, tenant: str) -> Iterator[None]:
        """A request of the tenant's, which is refused where a ServiceError is raised inside that
        is not for a fault of the service.
        """
        asked = self._asked(tenant)
        asked.under_way += 1
        is_refused = False
        try:
            yield
        except ServiceError as error:
            is_refused = error.code not in _FAULTS
            raise
        finally:
            asked = self._asked(tenant)
            asked.under_way -= 1
            asked.number += 1
            asked.refused += is_refused

    async def turn(self, tenant: str) -> None:
        """Waits until the tenant's next request may begin.

        Raises Expired where the deadline passes before, and Exhausted where too many wait.
        """
        now = self._clock()
        if not self._is_held(tenant, now):
            return
        if self._waiting.number_of(tenant) + self._late.number_of(tenant) >= _MOST_WAITING:
            raise Exhausted(
                f"{_MOST_WAITING:,} requests of this tenant wait", reason="TOO_MANY_REQUESTS"
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
            async with expiring(left, "the deadline passed before the request could begin"):
                await one.turn
        finally:
            self._waiting.remove(tenant, one)
            self._late.remove(tenant, one)

    def _asked(self, tenant: str) -> "_Asked":
        """The tenant's, as of now."""
        now = self._clock()
        asked = self._tenants.pop(tenant, None) or _Asked(now)
        asked.decay(now)
        self._tenants[tenant] = asked
        self._forget(now)
        return asked

    def _forget(self, now: float) -> None:
        while (first := next(iter(self._tenants.items()), None)) is not None:
            tenant, asked = first
            if asked.at >= now - _GONE_SECONDS:
                return
            del self._tenants[tenant]
            if asked.under_way:  # it is there as long as a stream of its is
                asked.decay(now)
                self._tenants[tenant] = asked

    def _is_held(self, tenant: str, now: float) -> bool:
        """Whether the tenant's requests wait while others ask."""
        asked = self._tenants.get(tenant)
        return asked is not None and asked.is_refused_most(now) and self._others_ask

    @property
    def _others_ask(self) -> bool:
        """Whether more than one tenant has asked lately."""
        return len(self._tenants) > 1

    def _tick(self) -> None:
        now, worked = self._clock(), self._worked()
        before, had_worked = self._measured
        # A loop that is late by more than its timers are had no core, or waited for Python's lock.
        late = now - self._due - _TICK_SECONDS
        self._credit += _SHARE * (now - before) - max(worked - had_worked, late)
        self._credit = min(max(self._credit, -_MOST_DEBT_SECONDS), _MOST_CREDIT_SECONDS)
        self._measured = (now, worked)
        self._forget(now)
        others_ask = self._others_ask
        if not others_ask:
            self._begin(1, now)  # and others when the loop has seen what else there is
        elif self._credit > 0:
            self._begin(_AT_ONCE, now)
        elif now >= self._begun_at + _AT_LEAST_EACH_SECONDS:
            self._begin(1, now)
        self._is_ticking = bool(self._waiting or self._late)
        seconds = _TICK_SECONDS if others_ask else 0.0
        self._due = now + seconds if self._is_ticking else math.inf
        if self._is_ticking:
            asyncio.get_running_loop().call_later(seconds, self._tick)

    def _begin(self, number: int, now: float) -> None:
        self._begun_at = now
        for _ in range(number):
            while self._waiting and now > (first := self._waiting.first()[0]).is_late_at:
                # Those with more of their time left go first: what is begun is to be in time.
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


@dataclass(slots=True)
class _Asked:
    """How many requests of a tenant have ended, and how many of those were refused: each counts
    less and less.
    """

    at: float
    """As of when."""
    number: float = 0.0
    refused: float = 0.0
    under_way: int = 0

    def decay(self, now: float) -> None:
        left = self._left(now)
        self.at = now
        self.number *= left
        self.refused *= left

    def is_refused_most(self, now: float) -> bool:
        left = self._left(now)
        return left * self.refused > max(_MANY, left * self.number / 2)

    def _left(self, now: float) -> float:
        return math.pow(0.5, (now - self.at) / _HALF_LIFE_SECONDS)
