"""What a model's replicas have just refused: the like of it is refused before any work is done."""

import time
from collections.abc import Callable, Collection

from trueodds_service import caller, urgency
from trueodds_service.errors import Overloaded

# So long a replica's word holds: callers may leave its queue, which it then has to be asked about.
_SECONDS = 0.1


class Refusals:
    """How long, by its own word, each replica has work for before what a tenant asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When it was said, and until when there is work: the oldest word first.
        self._said: dict[tuple[int, str, bool], tuple[float, float]] = {}

    def note(self, replica: int, work_seconds: float, *, in_bulk: bool) -> None:
        """What a replica has told the caller who acts now."""
        now = self._clock()
        for key, (said, _) in [*self._said.items()]:
            if now - said < _SECONDS:
                break
            del self._said[key]
        key = replica, caller.current().tenant, in_bulk
        self._said.pop(key, None)
        self._said[key] = now, now + work_seconds

    def check(self, replicas: Collection[int], *, in_bulk: bool) -> None:
        """Raises Overloaded where each of ``replicas`` would refuse what its caller asks now."""
        left = urgency.seconds_left()
        if left is None or not replicas:
            return
        now, tenant, waits = self._clock(), caller.current().tenant, []
        for replica in replicas:
            said, until = self._said.get((replica, tenant, in_bulk), (-_SECONDS, 0.0))
            if now - said >= _SECONDS:
                return
            waits.append(until - now)
        if min(waits) > left:
            raise Overloaded(min(waits), left)
