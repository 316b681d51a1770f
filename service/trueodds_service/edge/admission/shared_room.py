"""Room for what is under way at once, shared by tenants."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service.errors import Exhausted

# How many times as many as are free a tenant may have: dynamic thresholds (Choudhury and Hahne
# 1998). A tenant that has all it can get leaves a ninth to those who come.
_SHARE = 8
_RETRY_SECONDS = 0.5


class SharedRoom:
    """For about ``most`` of a kind, of which no tenant has all. Where there are no tenants, all."""

    def __init__(self, most: int, kind: str, said: str, reason: str) -> None:
        """``kind`` is their name, and ``said`` that with ``most``; both are for refusals."""
        self._most, self._kind, self._said, self._reason = most, kind, said, reason
        self._taken: Counter[str] = Counter()

    @property
    def number(self) -> int:
        """How many are taken."""
        return self._taken.total()

    def of(self, tenant: str) -> int:
        """How many of them a tenant has taken."""
        return self._taken[tenant]

    def check(self, tenant: str) -> None:
        """Raises Exhausted where no more are taken of a tenant's."""
        if (refusal := self._refused(tenant)) is not None:
            raise refusal

    def check_more(self, tenant: str, by: int, own: int) -> None:
        """Raises Exhausted where ``by`` more are too many for what has taken ``own`` of a tenant's.

        What has all that its tenant has may be larger than what is free, while anything is: it
        would wait in vain for a time in which nobody else has some.
        """
        if self.number - own >= self._most:
            raise self._refusal(f"the service works on {self._said} already")
        if self._taken[tenant] <= own:
            return
        free = self._most - self.number - by
        if tenant and self._taken[tenant] + by > _SHARE * free:
            raise self._refusal(
                f"with these the service would work on more {self._kind} of this tenant than it "
                "takes"
            )
        if free < 0:
            raise self._refusal(f"with these the service would work on more than {self._said}")

    def has_room(self, tenant: str) -> bool:
        """Whether ``check`` raises nothing."""
        return self._refused(tenant) is None

    def change(self, tenant: str, by: int) -> None:
        """Takes ``by`` more, or fewer, whatever is left."""
        self._taken[tenant] += by
        if not self._taken[tenant]:
            del self._taken[tenant]

    @contextmanager
    def holding(self, tenant: str, number: int) -> Iterator[None]:
        """``number`` of them are taken inside, whatever is left."""
        self.change(tenant, number)
        try:
            yield
        finally:
            self.change(tenant, -number)

    def _refused(self, tenant: str) -> Exhausted | None:
        free = self._most - self.number
        if free <= 0:
            return self._refusal(f"the service works on {self._said} already")
        if tenant and self._taken[tenant] >= _SHARE * free:
            return self._refusal(
                f"the service works on as many {self._kind} of this tenant as it takes"
            )
        return None

    def _refusal(self, why: str) -> Exhausted:
        return Exhausted(f"{why}; try again", reason=self._reason, retry_seconds=_RETRY_SECONDS)
