"""The store, asked from the event loop: in threads of its own, and for a limited time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from trueodds_service.errors import (
    InvalidInput,
    NotFound,
    NotReady,
    ServiceError,
    Unavailable,
    class_and_place,
)
from trueodds_service.store import errors as store_errors

T = TypeVar("T")

_log = logging.getLogger(__name__)


_AGAIN_SECONDS = 1.0


async def patiently(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What ``call`` gives; while the store is away it is made again, for so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)


class StoreCalls:
    """Calls that block, made in ``threads`` threads that nothing else keeps busy.

    A database that says nothing holds these up and no other; a call that has its thread by then
    goes on, and may be done after all.
    """

    def __init__(self, threads: int, answer_seconds: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._answer_seconds = answer_seconds
        self._logged = ""

    async def ask(self, call: Callable[..., T], *args: object, **kwargs: object) -> T:
        """What a call of the store's returns, for the current caller.

        Its errors become the service's.
        """
        asked = asyncio.get_running_loop().run_in_executor(
            self._threads, partial(copy_context().run, call, *args, **kwargs)
        )
        try:
            # Not ``wait_for``: it drops a cancellation that meets the answer, and who is stopped at
            # that moment would go on for ever.
            async with asyncio.timeout(self._answer_seconds):
                answer = await asked
        except TimeoutError as error:
            silent = store_errors.StoreUnavailable("the database says nothing")
            self.log_once(call.__name__, silent)
            raise translated(silent) from error
        except store_errors.StoreError as error:
            said = translated(error)
            if said.reason in _FAULTS:
                self.log_once(call.__name__, error)
            raise said from error
        self._logged = ""
        return answer

    def log_once(self, what: str, error: Exception) -> None:
        """Logs a fault, unless it is what the last call met too: a store that is away is asked
        several times a second.
        """
        if isinstance(error, ServiceError) and error.reason in _FAULTS:
            return  # ``ask`` has logged it
        # The store's own words hold the database's reason, and neither prompts nor passwords.
        why = f": {error}" if isinstance(error, store_errors.StoreError) else ""
        fault = f"{class_and_place(error)}{why}"
        if fault != self._logged:
            _log.error("the calibrator store failed (%s): %s", what, fault)
        self._logged = fault

    def close(self) -> None:
        """Takes no more calls, and waits for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def translated(error: store_errors.StoreError) -> ServiceError:
    """What a caller is told of an error of the store."""
    match error:
        case store_errors.CalibratorNotFound():
            return NotFound("there is no such calibrator", reason="CALIBRATOR_NOT_FOUND")
        case store_errors.BadPageToken():
            return InvalidInput("page_token", "is not a token of this listing")
        case store_errors.RequestReused():
            return InvalidInput(
                "request_id", "is that of another request", reason="REQUEST_ID_REUSED"
            )
    for kind, (message, reason) in _NOT_READY.items():
        if isinstance(error, kind):
            return NotReady(message, reason=reason)
    if isinstance(error, store_errors.StoreUnavailable):
        return Unavailable("the calibrator store does not answer", reason="STORE_UNAVAILABLE")
    return NotReady(
        "the calibrator store cannot be used, and a repetition does not help: its operator finds "
        "the cause in the log",
        reason="STORE_FAULT",
    )


# Faults that are not the caller's: their cause belongs in the log.
AWAY = ("STORE_UNAVAILABLE", "STORE_FAULT")
_FAULTS = (*AWAY, "CALIBRATOR_DAMAGED")
_NOT_ACTIVE = ("the calibrator is not the active one of its scope", "CALIBRATOR_NOT_ACTIVE")
_NOT_READY: dict[type[store_errors.StoreError], tuple[str, str]] = {
    store_errors.NothingActive: _NOT_ACTIVE,
    store_errors.NotActive: _NOT_ACTIVE,
    store_errors.StillActive: (
        "the calibrator is active: roll it back, or activate another",
        "CALIBRATOR_ACTIVE",
    ),
    store_errors.TooManyCalibrators: (
        "the tenant has as many calibrators as it may have at once (limits.max_calibrators): "
        "delete some",
        "TOO_MANY_CALIBRATORS",
    ),
    store_errors.StoreCorrupt: ("the stored calibrator is damaged", "CALIBRATOR_DAMAGED"),
}
