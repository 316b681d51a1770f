"""The path of an outcome: receipt → what the answer said → store."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

from trueodds_service.caller import current
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.receipts import BadReceipt, open_receipt
from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store.outcomes import Kept, Outcome, Recorded, SqlOutcomeStore

_THREADS = 2
_PRUNE_SECONDS = 600
# A thousand rows on a slow disk, behind other writers.
_ANSWER_SECONDS = 20.0


class Outcomes:
    """The outcomes of a store, and the key of their receipts. Use it inside one event loop."""

    def __init__(self, store: SqlOutcomeStore) -> None:
        self._store = store
        self._calls = StoreCalls(_THREADS, _ANSWER_SECONDS)
        self._key: bytes | None = None

    async def key(self) -> bytes:
        """What seals receipts. Raises Unavailable while the store is away, until it is known."""
        if self._key is None:
            self._key = await self._calls.ask(self._store.seal)
        return self._key

    async def record(
        self, reported: Sequence[tuple[bytes, int | None]]
    ) -> tuple[Recorded, list[tuple[int, InvalidInput]]]:
        """Keeps outcomes: each a receipt, and the right option, None where nobody knows.

        Returns what became of them, and the places and errors of those that are none.
        """
        key, tenant = await self.key(), current().tenant
        outcomes: list[Outcome] = []
        errors: list[tuple[int, InvalidInput]] = []
        for place, (receipt, option) in enumerate(reported):
            try:
                outcomes.append(open_receipt(key, receipt, option, tenant))
            except BadReceipt as error:
                wrong = InvalidInput("receipt", str(error), reason="BAD_RECEIPT")
                errors.append((place, wrong.under(f"outcomes[{place}]")))
        return await self._calls.ask(self._store.record, outcomes), errors

    async def of_calibrator(self, calibrator: str) -> list[Kept]:
        """The outcomes of a calibrator's answers, in the order in which they came."""
        return await self._calls.ask(self._store.of_calibrator, calibrator)

    async def prune(self, keep: timedelta, at_most: int) -> None:
        """Forgets what is too old, or too much, until it is cancelled."""
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            # A store that is away has its line in the log already.
            with contextlib.suppress(ServiceError):
                await self._calls.ask(self._store.prune, keep=keep, at_most=at_most)

    def close(self) -> None:
        """Asks the store for nothing more."""
        self._calls.close()
        self._store.close()
