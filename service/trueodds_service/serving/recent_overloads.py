"""What a model's replicas have just refused: the like of it is refused before any work is done."""

import time
from collections.abc import Callable, Collection

from trueodds_service import caller, urgency
from trueodds_service.errors import Expired, Overloaded

# How long a refusal says something of the next request: this part of the wait that it told, for who
# waits may give up. Of several replicas each has to have said it: that takes a while.
_PART, _MOST_SECONDS = 1 / 4, 1.0


class RecentOverloads:
    """What replicas have refused of late, by tenant and by whether it was bulk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When it was refused, and when its turn would have come; the oldest first.
        self._said: dict[tuple[int, str, bool], tuple[float, float]] = {}

    def note(self, replica: int, work_seconds: float, *, in_bulk: bool) -> None:
        """A replica, which has ``work_seconds`` to do, has refused the caller who acts now."""
        now = self._clock()
        while self._said and now - next(iter(self._said.values()))[0] >= _MOST_SECONDS:
            del self._said[next(iter(self._said))]
        key = replica, caller.current().charged, in_bulk
        self._said.pop(key, None)
        self._said[key] = now, now + work_seconds

    def check(self, replicas: Collection[int], *, in_bulk: bool) -> None:
        """Raises Overloaded where each of ``replicas`` would refuse what its caller asks now.

        And Expired where its deadline has passed.
        """
        left = urgency.seconds_left()
        if left is None:
            return
        if left <= 0:
            raise Expired("the deadline passed before the engine was asked")
        now, tenant, waits = self._clock(), caller.current().charged, []
        for replica in replicas:
            said, until = self._said.get((replica, tenant, in_bulk), (0.0, 0.0))
            if now - said >= min(_PART * (until - said), _MOST_SECONDS):
                return
            waits.append(until - now)
        if waits and min(waits) > left:
            raise Overloaded(min(waits), left)
