"""The gate that each request of every door passes, before any of it is read."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a door knows of a request before it reads it.

    ``method`` is the contract's, such as ``trueodds.v1.ScoringService/Score``; ``metadata`` are
    gRPC's metadata or HTTP's headers, in lower case; ``certificate_names`` those of the client's
    certificate, where its connection has one; ``seconds_left`` until its deadline, None for ever.
    What it prints of itself holds no key.
    """

    method: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_names: tuple[str, ...] = ()
    seconds_left: float | None = None


class Gate:
    """Lets requests in while there is room, and ends those that outlast the service.

    Use it inside one event loop.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._requests: set[asyncio.Task[Any] | None] = set()
        self._has_ended = False

    def end(self) -> None:
        """Ends what is under way: it is to be asked again, elsewhere."""
        self._has_ended = True
        for request in self._requests:
            if request is not None:
                request.cancel()

    @asynccontextmanager
    async def admitted(self, arrival: Arrival) -> AsyncIterator[Caller]:
        """While a request lasts, which is this task's; what is done inside is for its caller.

        Raises the ServiceError that it is refused with, or ended with.
        """
        this = asyncio.current_task()
        if len(self._requests) >= self._max_requests:
            raise Unavailable(
                f"the service works on {self._max_requests} requests already; try again",
                reason="TOO_MANY_REQUESTS",
            )
        self._requests.add(this)
        try:
            with caller.acting_for(caller.ANYONE):
                yield caller.ANYONE
        except asyncio.CancelledError:
            if not self._has_ended:  # its caller has left
                raise
            raise Unavailable(
                "the server stops; ask again", reason="STOPPING", retry_seconds=0.2
            ) from None
        finally:
            self._requests.discard(this)
