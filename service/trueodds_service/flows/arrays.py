"""Long work on arrays, out of the way of those who are being answered."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

# Threads of their own: in the pool that all share, a few long fits would leave no thread to
# tokenise the prompts of scores, or to ask the store.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="arrays")


async def long_work(call: Callable[..., T], *args: object) -> T:
    """What ``call`` gives, off the event loop. More than a few at once wait for their turn."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(call, *args))
