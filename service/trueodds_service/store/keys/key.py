"""The record of an API key, which holds nothing to call with."""

from dataclasses import dataclass, field
from datetime import datetime

from trueodds_service.caller import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The holder of the key of this ``id`` may do what ``permissions`` say, for ``tenant``.

    ``name`` is what its operator calls it: of the keys of a tenant that are valid, one has it, or
    two while the older is being replaced.
    """

    id: str
    name: str
    tenant: str
    permissions: frozenset[Permission]
    hash: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether it is neither revoked nor past its end."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)
