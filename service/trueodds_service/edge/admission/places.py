"""How many requests are under way at once, and whose."""

from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service.edge.admission.shared_room import SharedRoom


class Places:
    """At most ``most`` requests, of which no tenant has all. Where there are no tenants, all."""

    def __init__(self, most: int) -> None:
        self._room = SharedRoom(most, "requests", f"{most} requests", reason="TOO_MANY_REQUESTS")

    @contextmanager
    def taken(self, tenant: str) -> Iterator[None]:
        """One is taken inside. Raises Exhausted at once."""
        self._room.check(tenant)
        with self._room.holding(tenant, 1):
            yield
