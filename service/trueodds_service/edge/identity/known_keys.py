"""The keys that are valid, as of the last look at the store, and who calls with one."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from trueodds_service.caller import Caller
from trueodds_service.edge.identity.verification import Verification
from trueodds_service.errors import Unavailable
from trueodds_service.flows.following import follow
from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store.keys import ApiKey, Mark, SqlKeyStore, split

# "Revoked within a second": two polls fit into one.
_POLL_SECONDS = 0.4
# How long a poll may say nothing before it is given up and the next begins.
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Known:
    key: ApiKey
    caller: Caller


class KnownKeys:
    """Who holds a key. The store is asked for changes alone: while it is away, what was valid is.

    The hash of a key takes some 50 ms, once in a process. From then on the key is known by a
    digest, of which nobody can make a key, for as long as it is valid.
    """

    def __init__(self, store: SqlKeyStore) -> None:
        self._store = store
        self._polls = StoreCalls(1, _ANSWER_SECONDS)
        self._verification = Verification()
        self._mark: Mark | None = None
        self._has_looked = False
        # By their ids.
        self._unrevoked: Mapping[str, ApiKey] = {}
        # Those that somebody has called with, by the SHA-256 of their text.
        self._known: dict[bytes, _Known] = {}

    async def refresh(self) -> None:
        """Takes over which keys are valid now."""
        mark = await self._polls.ask(self._store.mark)
        if mark is not None and mark == self._mark:
            return
        # The mark is the older of the two: what came between is taken over the next time.
        self._unrevoked = await self._polls.ask(self._store.unrevoked)
        self._mark, self._has_looked = mark, True
        self._known = {
            digest: _Known(key, known.caller)
            for digest, known in self._known.items()
            if (key := self._unrevoked.get(known.key.id)) and key.hash == known.key.hash
        }

    async def open(self) -> None:
        """Takes over which keys are valid; where the store is away, ``follow`` does it later."""
        with suppress(Unavailable):  # which the polls have logged
            await self.refresh()

    async def follow(self) -> None:
        """Refreshes until cancelled."""
        await follow(self.refresh, self._polls, _POLL_SECONDS)

    async def caller(self, text: str) -> Caller | None:
        """The caller who holds the key ``text``; None if no valid key has it.

        Raises Unavailable while too much is tried with the same id, and where the store has not
        said yet which are valid.
        """
        if not self._has_looked:
            raise Unavailable("the store has not answered yet", reason="STORE_UNAVAILABLE")
        digest = sha256(text.encode()).digest()
        known = self._known.get(digest) or await self._verified(text, digest)
        if known is None or not known.key.is_valid(datetime.now(UTC)):
            return None
        return known.caller

    def still_knows(self, text: str) -> bool:
        """Whether a key of this text, which has called before, is valid now."""
        known = self._known.get(sha256(text.encode()).digest())
        return known is not None and known.key.is_valid(datetime.now(UTC))

    def close(self) -> None:
        """Asks the store for nothing more."""
        self._polls.close()
        self._verification.close()
        self._store.close()

    async def _verified(self, text: str, digest: bytes) -> _Known | None:
        parts = split(text)
        key = None if parts is None else self._unrevoked.get(parts[0])
        if parts is None or key is None:
            return None
        if not await self._verification.is_right(parts[1], key.hash, digest):
            return None
        if key.id not in self._unrevoked:  # revoked meanwhile
            return None
        known = _Known(key, Caller(key.tenant, f"key:{key.name}", key.permissions))
        self._known[digest] = known
        return known
