"""Small tools for asyncio that the standard library lacks."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def gather_or_cancel(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs ``calls`` together; their results in order.

    When one fails, the others are cancelled and awaited before its own error is raised, bare:
    ``asyncio.gather`` leaves the others running, and a TaskGroup wraps the error.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
