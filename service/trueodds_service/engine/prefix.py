"""A shared prefix is computed once, then read from the cache.

vLLM caches a prefix when it has been computed, not when it is asked for: prompts that start
together each compute their worked examples. So the first prompt of a batch goes ahead alone.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager

# A prefix that the engine has dropped meanwhile costs time, never a wrong score.
_REMEMBERED = 256


def shared_prefix(prompts: Sequence[tuple[int, ...]], block_tokens: int) -> tuple[int, ...]:
    """What all prompts begin with, in whole cache blocks; empty below two blocks or prompts."""
    if len(prompts) < 2:  # noqa: PLR2004
        return ()
    # What the least and the greatest share, all share.
    low, high = min(prompts), max(prompts)
    common = next(
        (place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b),
        min(len(low), len(high)),
    )
    whole = common // block_tokens * block_tokens
    return low[:whole] if whole >= 2 * block_tokens else ()


class PrefixGate:
    """Lets one caller a prefix go ahead, and the others wait for it."""

    def __init__(self) -> None:
        self._computed: OrderedDict[int, asyncio.Event] = OrderedDict()

    @asynccontextmanager
    async def ahead(self, prefix: Hashable) -> AsyncIterator[bool]:
        """Whether the caller goes ahead: True for one caller of a new prefix.

        The others enter when that one leaves. A caller that goes ahead and fails opens the gate
        all the same, and the next new caller tries again.
        """
        key = hash(prefix)
        event = self._computed.get(key)
        if event is not None:
            self._computed.move_to_end(key)
            await event.wait()
            yield False
            return
        event = self._computed[key] = asyncio.Event()
        if len(self._computed) > _REMEMBERED:
            self._computed.popitem(last=False)
        try:
            yield True
        except BaseException:
            self._computed.pop(key, None)
            raise
        finally:
            event.set()
