"""The slow look at a key: its hash, off the event loop, once for however many ask at a time."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from trueodds_service.errors import Unavailable
from trueodds_service.store.keys import is_right

# Each takes 16 MiB and some 50 ms of a core.
_THREADS = 2
# Secrets for one key's id that are looked at: the right one, and what somebody tries.
_MAX_LOOKS = 8
_MAX_WRONG = 4096


class Verification:
    """Whether secrets are right. One that was wrong before costs nothing.

    Use it inside one event loop.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="keys")
        # Both by the digest of the key.
        self._looks: dict[bytes, asyncio.Task[bool]] = {}
        self._wrong: set[bytes] = set()
        self._numbers: Counter[str] = Counter()

    async def is_right(self, secret: str, kept: str, digest: bytes) -> bool:
        """Whether ``kept`` is the hash of ``secret``, whose key has this ``digest``.

        Raises Unavailable while too many other secrets are looked at for the same key.
        """
        if digest in self._wrong:
            return False
        look = self._looks.get(digest)
        if look is None:
            if self._numbers[kept] >= _MAX_LOOKS:
                raise Unavailable("a key like this is tried too often", reason="TOO_MANY_KEYS")
            self._numbers[kept] += 1
            look = self._looks[digest] = asyncio.create_task(self._look(secret, kept, digest))
        # A caller that leaves does not end it for others.
        return await asyncio.shield(look)

    async def _look(self, secret: str, kept: str, digest: bytes) -> bool:
        loop = asyncio.get_running_loop()
        try:
            right = await loop.run_in_executor(self._threads, is_right, secret, kept)
        finally:
            del self._looks[digest]
            self._numbers[kept] -= 1
            self._numbers += Counter()  # which drops what is 0
        if not right:
            if len(self._wrong) >= _MAX_WRONG:
                self._wrong.clear()
            self._wrong.add(digest)
        return right

    def close(self) -> None:
        """Looks at nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
