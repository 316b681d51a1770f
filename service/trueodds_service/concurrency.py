"""Small tools for asyncio that the standard library lacks."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

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


class Threads:
    """A few threads in which owners have their turns, each with one piece of work at a time.

    Work without an owner, "", has its turns as one, and any number of the threads.
    """

    def __init__(self, number: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._number = number
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()

    async def run(self, owner: str, call: Callable[[], T], *, to_end: bool = False) -> T:
        """What ``call`` gives. Where whoever waits for it leaves, it is not begun any more.

        One that has begun goes on, and it is still its owner's turn; with ``to_end`` whoever leaves
        does so once it has ended, for those who hold what it works on.
        """
        loop = asyncio.get_running_loop()
        turns = self._turns.get(loop)
        if turns is None:
            turns = self._turns[loop] = _Turns(self._pool, self._number)
        piece = _Piece(call, loop)
        turns.add(owner, piece)
        try:
            return await asyncio.shield(piece.outcome)
        except asyncio.CancelledError:
            if not turns.remove(owner, piece) and to_end:
                await _end(piece.outcome)
            piece.outcome.cancel()
            raise


class _Piece(Generic[T]):
    """A piece of work, and what came of it."""

    def __init__(self, call: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.call, self.loop = call, loop
        self.outcome: asyncio.Future[T] = loop.create_future()

    def ended(self, work: "Future[T]") -> None:
        if self.outcome.done():  # nobody waits for it
            return
        if (error := work.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(work.result())


class _Turns:
    """Who waits for threads. Use it inside one event loop."""

    def __init__(self, pool: ThreadPoolExecutor, number: int) -> None:
        self._pool, self._free = pool, number
        self._running: Counter[str] = Counter()
        # In the order of their turns.
        self._waiting: dict[str, deque[_Piece[Any]]] = {}

    def add(self, owner: str, piece: _Piece[Any]) -> None:
        self._waiting.setdefault(owner, deque()).append(piece)
        self._start()

    def remove(self, owner: str, piece: _Piece[Any]) -> bool:
        """Takes it out; whether it had not begun."""
        waiting = self._waiting.get(owner, ())
        if piece not in waiting:
            return False
        self._waiting[owner].remove(piece)
        if not waiting:
            del self._waiting[owner]
        return True

    def _start(self) -> None:
        while self._free and (owner := self._next()) is not None:
            piece = self._waiting[owner].popleft()
            self._have_had_turn(owner)
            work = self._pool.submit(piece.call)
            self._free -= 1
            self._running[owner] += 1
            work.add_done_callback(partial(self._tell, owner, piece))

    def _next(self) -> str | None:
        return next((each for each in self._waiting if not each or not self._running[each]), None)

    def _tell(self, owner: str, piece: _Piece[T], work: "Future[T]") -> None:
        """In the thread."""
        with suppress(RuntimeError):  # where the loop has ended, nobody waits
            piece.loop.call_soon_threadsafe(self._ended, owner, piece, work)

    def _ended(self, owner: str, piece: _Piece[T], work: "Future[T]") -> None:
        self._free += 1
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        # Again: who came while it ran goes first.
        self._have_had_turn(owner)
        self._start()
        piece.ended(work)

    def _have_had_turn(self, owner: str) -> None:
        if waiting := self._waiting.pop(owner, None):
            self._waiting[owner] = waiting


async def _end(outcome: "asyncio.Future[Any]") -> None:
    """Waits for it, however often that is cancelled; it may also fail."""
    while not outcome.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([outcome])
    outcome.exception()
