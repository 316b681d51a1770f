"""What the audit log forgets, and when."""

import logging
from datetime import UTC, datetime, timedelta

from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store.audit import forget_audit

_log = logging.getLogger(__name__)

FORGET_SECONDS = 3600.0
"""How often lines that are too old are looked for."""
_ANSWER_SECONDS = 60.0


class AuditRetention:
    """Forgets lines of the audit log of a store, a day's at a time, and says so there and here."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.calls = StoreCalls(1, _ANSWER_SECONDS)

    async def forget(self, keep: timedelta) -> None:
        """Forgets the days that ended longer ago than lines are kept."""
        oldest = datetime.now(UTC) - keep
        before = oldest.replace(hour=0, minute=0, second=0, microsecond=0)
        if lines := await self.calls.ask(forget_audit, self._url, before=before):
            _log.warning("audit: %d lines of before %s are forgotten", lines, before.date())

    def close(self) -> None:
        """Asks the store for nothing more."""
        self.calls.close()
