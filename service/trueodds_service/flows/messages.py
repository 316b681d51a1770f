"""Reading and writing large messages, out of the way of those who are being answered."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from trueodds_service import caller
from trueodds_service.concurrency import Threads

T = TypeVar("T")

# Threads of their own: in the pool that all share, messages whose callers have left would leave no
# thread to tokenise the prompts of scores, or to ask the store.
_THREADS = Threads(2, "messages")


async def message_work(call: Callable[..., T], *args: object) -> T:
    """What ``call`` gives, off the event loop. Tenants have their turns, each with one at a time.

    A caller who leaves does so once it has ended: until then the message takes memory, and counts.
    """
    return await _THREADS.run(caller.current().tenant, partial(call, *args), to_end=True)
