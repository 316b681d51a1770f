"""A token bucket that is paid afterwards."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Bucket:
    """Fills at a rate, up to what comes in in ``burst_seconds``; and may be less than empty.

    What a request costs is known only once it is in tokens, and what the other gateways have spent
    only later: both are taken whatever is left, and the debt is waited for. So the rate holds in
    the long run, and no request is larger than its bucket. The windows of the library ``limits``
    take a cost whole or not at all, and one that is larger than a window never.
    """

    def __init__(
        self, a_minute: float, burst_seconds: float, clock: Clock = time.monotonic
    ) -> None:
        self._rate = a_minute / 60
        # At least one, or there would never be one.
        self._size = max(self._rate * burst_seconds, 1.0)
        self._clock = clock
        self._level = self._size
        self._at = clock()

    def spend(self, amount: float) -> None:
        """Takes ``amount``, whatever is left."""
        self._level = self._now() - amount

    def seconds_until_one(self) -> float:
        """How long until one can be had; 0 where it can now."""
        return max(1.0 - self._now(), 0.0) / self._rate

    @property
    def is_full(self) -> bool:
        return self._now() >= self._size

    def _now(self) -> float:
        now = self._clock()
        self._level = min(self._size, self._level + self._rate * (now - self._at))
        self._at = now
        return self._level
