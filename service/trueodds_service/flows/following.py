"""Following what the store says, for as long as the service runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trueodds_service.flows.store_calls import StoreCalls

_log = logging.getLogger(__name__)


async def follow(
    refresh: Callable[[], Awaitable[None]], polls: StoreCalls, poll_seconds: float
) -> None:
    """Refreshes, by what ``polls`` is asked, until cancelled.

    Nothing but a cancellation ends it; what is wrong is logged once, and so is its end.
    """
    is_away = False
    while True:
        await asyncio.sleep(poll_seconds)
        try:
            await refresh()
        except Exception as error:
            is_away = True
            polls.log_once("follow", error)
        else:
            if is_away:
                _log.warning("the store answers again")
            is_away = False
