"""Small tools for asyncio that the standard library lacks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

# How many items of a large request are worked on before others have their turn: about a millisecond
# of work.
_PIECE = 32


async def in_pieces(items: Iterable[T]) -> AsyncIterator[T]:
    """The items. After every few of them the event loop goes on with what else there is."""
    for number, item in enumerate(items, 1):
        yield item
        if not number % _PIECE:
            await asyncio.sleep(0)


async def gather_or_cancel(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs ``calls`` together; their results in order.

    When one fails, the others are cancelled and awaited before its own error is raised, bare:
    ``asyncio.gather`` leaves the others running, and a TaskGroup wraps the error.
    """
    waiting = list(calls)
    if len(waiting) == 1:  # saves a task, and the event loop a turn
        return [await waiting[0]]
    tasks = [asyncio.ensure_future(call) for call in waiting]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def as_completed(
    calls: AsyncIterator[Coroutine[Any, Any, T]], limit: int
) -> AsyncGenerator[T, None]:
    """Runs calls as they come, ``limit`` of them at once; their results as each is done.

    No further call is taken while ``limit`` of them run or wait for their result to be taken. When
    one fails, or whoever takes the results leaves, the others are cancelled and awaited.
    """
    ended: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    room = asyncio.Semaphore(limit)
    running: set[asyncio.Task[Any]] = set()

    def start(call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(call)
        running.add(task)
        task.add_done_callback(ended.put_nowait)
        return task

    async def take() -> None:
        await room.acquire()
        async for call in calls:
            start(call)
            await room.acquire()

    taking = start(take())
    try:
        while running:
            task = await ended.get()
            running.discard(task)
            result = task.result()
            if task is not taking:
                yield result
                room.release()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
