"""How many tokens are under way at once, and whose: what requests cost, not how many they are."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service.edge.admission.places import RETRY_SECONDS, SHARE
from trueodds_service.errors import Exhausted


class TokensUnderWay:
    """About ``most``, of which no tenant has all; as ``Places``, but for prompts.

    Nobody knows how many a request has before it is in tokens: it is let in while there is room
    for one, and takes as many as it has.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    @property
    def number(self) -> int:
        return self._taken.total()

    def check(self, tenant: str) -> None:
        """Raises Exhausted where no more are taken of a tenant's."""
        free = self._most - self.number
        if free <= 0:
            raise self._refusal(f"the service works on {self._most:,} tokens already")
        if tenant and self._taken[tenant] >= SHARE * free:
            raise self._refusal("the service works on as many tokens of this tenant as it takes")

    @contextmanager
    def taken(self, tenant: str, number: int) -> Iterator[None]:
        """So many are under way inside."""
        self._taken[tenant] += number
        try:
            yield
        finally:
            self._taken[tenant] -= number
            if not self._taken[tenant]:
                del self._taken[tenant]

    @staticmethod
    def _refusal(why: str) -> Exhausted:
        return Exhausted(f"{why}; try again", reason="TOO_MANY_TOKENS", retry_seconds=RETRY_SECONDS)
