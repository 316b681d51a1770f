"""How many requests are under way at once, and whose."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service.errors import Exhausted

# A tenant has at most so many times as many as are free: dynamic thresholds (Choudhury and Hahne
# 1998). So one that has all it can get leaves a ninth to those who come.
SHARE = 8
RETRY_SECONDS = 0.5


class Places:
    """At most ``most`` requests, of which no tenant has all. Where there are no tenants, all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, tenant: str) -> Iterator[None]:
        """One is taken inside. Raises Exhausted at once."""
        free = self._most - self._taken.total()
        if not free:
            raise self._refusal(f"the service works on {self._most} requests already")
        if tenant and self._taken[tenant] >= SHARE * free:
            raise self._refusal("the service works on as many requests of this tenant as it takes")
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]

    @staticmethod
    def _refusal(why: str) -> Exhausted:
        return Exhausted(
            f"{why}; try again", reason="TOO_MANY_REQUESTS", retry_seconds=RETRY_SECONDS
        )
