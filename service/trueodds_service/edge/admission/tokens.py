"""How many tokens are under way at once, and whose: what requests cost, not how many they are."""

from trueodds_service.edge.admission.shared_room import SharedRoom


class TokensUnderWay:
    """About ``most``, of which no tenant has all; as ``Places``, but for prompts.

    Nobody knows how many a request has before it is in tokens: it is let in while there is room
    for one, and looked at again as its prompts are made.
    """

    def __init__(self, most: int) -> None:
        self._room = SharedRoom(most, "tokens", f"{most:,} tokens", reason="TOO_MANY_TOKENS")

    @property
    def number(self) -> int:
        """How many there are."""
        return self._room.number

    def of(self, tenant: str) -> int:
        """How many a tenant has."""
        return self._room.of(tenant)

    def check(self, tenant: str) -> None:
        """Raises Exhausted where no more are taken of a tenant's."""
        self._room.check(tenant)

    def check_more(self, tenant: str, by: int, own: int) -> None:
        """Raises Exhausted where ``by`` more are too many for a request that has taken ``own``."""
        self._room.check_more(tenant, by, own)

    def change(self, tenant: str, by: int) -> None:
        """So many more, or fewer, are under way."""
        self._room.change(tenant, by)
