"""How long a caller is waited for, and waits: deadlines, and streams that send or take nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from trueodds_service.errors import Expired

T = TypeVar("T")


async def in_time(
    messages: AsyncIterator[T], seconds: float, is_idle: Callable[[], bool] = lambda: True
) -> AsyncIterator[T]:
    """The messages of a stream.

    Raises Expired where none has come for ``seconds`` and the stream ``is_idle``; else it waits as
    long again.
    """
    while True:
        coming = asyncio.ensure_future(anext(messages))
        try:
            while not (await asyncio.wait([coming], timeout=seconds))[0]:
                if is_idle():
                    raise Expired(f"nothing came for {seconds:g} s")
            message = coming.result()
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
        yield message


@asynccontextmanager
async def expiring(seconds: float | None, why: str) -> AsyncIterator[None]:
    """Raises Expired, with ``why``, where what is inside takes longer than ``seconds``; None for no
    limit. A TimeoutError of something inside passes as it is.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise Expired(why) from None


async def taken(message: Awaitable[None], seconds: float) -> None:
    """Waits until a message is sent. Raises Expired where it has not been for ``seconds``: its
    caller is there, and reads nothing.
    """
    async with expiring(seconds, f"no answer was taken for {seconds:g} s"):
        await message
