"""The gate that each request of every door passes, before any of it is read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.config import Limits, QuotaSettings
from trueodds_service.edge.admission.order import hurrying
from trueodds_service.edge.admission.places import Places
from trueodds_service.edge.admission.turns import Turns
from trueodds_service.edge.admission.work import Work
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.identity import permissions
from trueodds_service.edge.identity.identities import Identities
from trueodds_service.edge.quotas.quotas import Quotas
from trueodds_service.edge.watch import Watch
from trueodds_service.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable

# Stands for all who are not known: no tenant has this name.
_UNKNOWN = "?"


class Gate:
    """Lets in who is known and may, while there is room, and ends what outlasts the service.

    Use it inside one event loop.
    """

    def __init__(
        self,
        max_requests: int,
        identities: Identities,
        watch: Watch | None = None,
        work: Work | None = None,
    ) -> None:
        """``watch`` is told of each request, also of those that are refused; without ``work`` the
        limits are the defaults, and nobody has a quota.
        """
        self._identities = identities
        self._turns = Turns()
        self._places = Places(max_requests)
        self._watch = watch or Watch()
        self._work = work or Work(Limits(), Quotas(QuotaSettings()))
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
        with self._watch.request(arrival) as watched, self._ended_with_the_service():
            asks = await self._known(arrival)
            watched.asked_by(asks)
            with hurrying(arrival.method, arrival.seconds_left):
                await self._turns.turn(asks.charged)
                with self._turns.counted(asks.charged), self._let_in(arrival, asks):
                    watched.admitted()
                    yield asks

    async def _known(self, arrival: Arrival) -> Caller:
        """Who asks. Raises what those are told who are not known, when it is their turn."""
        try:
            if arrival.repeated:  # one of the two would not be heard
                raise InvalidInput(arrival.repeated, "is here twice")
            return await self._identities.caller(arrival)
        except (Unauthenticated, Forbidden, InvalidInput):
            with hurrying(arrival.method, arrival.seconds_left):
                await self._turns.turn(_UNKNOWN)
            with self._turns.counted(_UNKNOWN):
                raise

    @contextmanager
    def _let_in(self, arrival: Arrival, asks: Caller) -> Iterator[None]:
        permissions.check(asks, arrival.method)
        with (
            self._places.taken(asks.charged),
            self._work.metered(asks, arrival.method, partial(self._identities.check, arrival)),
            caller.acting_for(asks),
        ):
            yield

    @contextmanager
    def _ended_with_the_service(self) -> Iterator[None]:
        this = asyncio.current_task()
        self._requests.add(this)
        try:
            yield
        except asyncio.CancelledError:
            if not self._has_ended:  # its caller has left
                raise
            raise Unavailable(
                "the server stops; ask again", reason="STOPPING", retry_seconds=0.2
            ) from None
        finally:
            self._requests.discard(this)
