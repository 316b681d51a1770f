"""Long work on arrays, out of the way of those who are being answered."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from trueodds_service import caller
from trueodds_service.concurrency import Threads

T = TypeVar("T")

# Threads of their own: in the pool that all share, a few long fits would leave no thread to
# tokenise the prompts of scores, or to ask the store.
_THREADS = Threads(2, "arrays")


async def long_work(call: Callable[..., T], *args: object, owner: str | None = None) -> T:
    """What ``call`` gives, off the event loop. Tenants have their turns, each with one at a time.

    It is for the caller's tenant, unless there is another ``owner``.
    """
    whose = caller.current().tenant if owner is None else owner
    return await _THREADS.run(whose, partial(call, *args))
