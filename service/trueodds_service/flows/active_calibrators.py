"""Which calibrator answers a question."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TypeVar

from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.core.calibrators.from_parameters import calibrator_of
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.errors import (
    InvalidInput,
    NotFound,
    NotReady,
    ServiceError,
    Unavailable,
    class_and_place,
)
from trueodds_service.flows.raw import raw_because
from trueodds_service.store import errors as store_errors
from trueodds_service.store.base import CalibratorStore
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Damaged, FitRequest, Scope
from trueodds_service.store.views import Snapshot

T = TypeVar("T")

_log = logging.getLogger(__name__)

# "Every replica serves it within a second": two polls fit into one.
_POLL_SECONDS = 0.4
_PAGE = 1000
_MAX_RAW = 1024


class Calibrators:
    """The store as the flows see it: asynchronous, with what is active held in memory.

    Answers never wait for the database. An activation is served by this process at once, and
    by every other within a second: each polls the store's version.
    """

    def __init__(self, store: CalibratorStore) -> None:
        self.store = store
        self._snapshot = Snapshot(version=-1, active={}, damaged={})
        self._turns = itertools.count(1)
        self._taken = 0
        self._applied: dict[str, Applied] = {}
        self._logged = ""
        self._raw: dict[Scope, str] = {}

    async def refresh(self) -> None:
        """Takes over what is active now."""
        turn = next(self._turns)
        version = await self.ask(self.store.version)
        if version != self._snapshot.version:
            snapshot = await self.ask(self.store.snapshot)
            # Two refreshes can overlap; the one that began later saw every earlier activation.
            # Versions do not tell: a database restored from a backup counts on from less.
            if turn > self._taken:
                self._snapshot, self._taken = snapshot, turn
                self._applied, self._raw = {}, {}
                _report(snapshot)

    async def follow(self) -> None:
        """Refreshes until cancelled. While the store is away the last snapshot answers.

        Nothing but a cancellation ends it; what is wrong is logged once, and so is its end.
        """
        is_away = False
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                await self.refresh()
            except Exception as error:
                is_away = True
                self._log_once("follow", error)
            else:
                if is_away:
                    _log.warning("the store answers again")
                is_away = False

    def active(self, scope: Scope) -> Calibrator | NotReady | None:
        """What answers in ``scope``: its task's calibrator, else the model's default.

        Of each, the one for so many options comes before the one for any number.

        Where that is damaged, nothing stands in for it.
        """
        default = replace(scope, task="")
        for each in (scope, replace(scope, options=0), default, replace(default, options=0)):
            if each in self._snapshot.damaged:
                return _damaged()
            if calibrator := self._snapshot.active.get(each):
                return calibrator
        return None

    def raw_because(self, scope: Scope) -> str:
        """Why nothing answers in ``scope``, in words."""
        because = self._raw.get(scope)
        if because is None:
            if len(self._raw) >= _MAX_RAW:  # the names of tasks are the callers'
                self._raw.clear()
            because = self._raw[scope] = raw_because(scope, self._snapshot.active)
        return because

    def applied(self, calibrator: Calibrator) -> Applied | NotReady:
        """What applies a calibrator, made once; or that it cannot be made of what is stored."""
        made = self._applied.get(calibrator.id)
        if made is None:
            try:
                made = calibrator_of(Method(calibrator.method), calibrator.parameters)
            except ValueError:
                return _damaged()
            self._applied[calibrator.id] = made
        return made

    def is_active(self, calibrator: Calibrator | Damaged) -> bool:
        """Whether it is what its own scope points to."""
        if calibrator.scope in self._snapshot.damaged:
            return self._snapshot.damaged[calibrator.scope] == calibrator.id
        current = self._snapshot.active.get(calibrator.scope)
        return current is not None and current.id == calibrator.id

    async def get(self, model: str, calibrator_id: str) -> Calibrator:
        """Raises NotFound."""
        return await self.ask(self.store.get, model, calibrator_id)

    async def find(self, model: str, calibrator_id: str) -> Calibrator | Damaged:
        """The same, also where the record is damaged."""
        return await self.ask(self.store.find, model, calibrator_id)

    async def all_of(self, model: str) -> AsyncIterator[Calibrator]:
        """A model's calibrators, the newest first."""
        token = ""
        while True:
            page = await self.ask(self.store.list, model, page_size=_PAGE, page_token=token)
            for calibrator in page.calibrators:
                yield calibrator
            token = page.next_page_token
            if not token:
                return

    async def answered(self, request: FitRequest) -> Calibrator | None:
        """What the same request gave before. Raises InvalidInput if another had its name."""
        return await self.ask(self.store.fitted_by, request)

    async def keep(
        self, calibrator: Calibrator, activate: bool, request: FitRequest | None
    ) -> Calibrator:
        """Stores a calibrator, and activates it where asked; the one that is kept."""
        kept = await self.ask(self.store.put, calibrator, activate=activate, request=request)
        if activate:
            await self.refresh()
        return kept

    async def activate(self, calibrator: Calibrator, *, force: bool = False) -> None:
        """Raises NotReady if its fit is degenerate, unless forced or active as it is."""
        if calibrator.degenerate and not force and not self.is_active(calibrator):
            raise NotReady(
                f"the fit is degenerate: {calibrator.degenerate}; force its activation if you "
                "mean it",
                reason="DEGENERATE_FIT",
            )
        await self.ask(self.store.activate, calibrator.scope.model, calibrator.id)
        await self.refresh()

    async def delete(self, calibrator: Calibrator | Damaged) -> None:
        """Raises NotReady if it is active."""
        await self.ask(self.store.delete, calibrator.scope.model, calibrator.id)

    async def rollback(self, calibrator: Calibrator | Damaged) -> Calibrator | None:
        """Takes back its activation; what answers then. Raises NotReady if it is not active."""

        def take_back() -> Calibrator | None:
            activation = self.store.rollback(calibrator.scope, expected_id=calibrator.id)
            if activation is None or activation.calibrator_id is None:
                return None
            return self.store.get(calibrator.scope.model, activation.calibrator_id)

        previous = await self.ask(take_back)
        await self.refresh()
        return previous

    async def ask(self, call: Callable[..., T], *args: object, **kwargs: object) -> T:
        """A call of the store, off the event loop, with its errors as the service's."""
        try:
            answer = await asyncio.to_thread(call, *args, **kwargs)
        except store_errors.StoreError as error:
            translated = _translated(error)
            if translated.reason in _FAULTS:
                self._log_once(call.__name__, error)
            raise translated from error
        self._logged = ""
        return answer

    def _log_once(self, what: str, error: Exception) -> None:
        """Logs a fault, unless it is what the last call met too: a store that is away is asked
        several times a second.
        """
        if isinstance(error, ServiceError) and isinstance(error.__cause__, store_errors.StoreError):
            return  # ``ask`` has logged it
        # The store's own words hold the database's reason, and neither prompts nor passwords.
        why = f": {error}" if isinstance(error, store_errors.StoreError) else ""
        fault = f"{class_and_place(error)}{why}"
        if fault != self._logged:
            _log.error("the calibrator store failed (%s): %s", what, fault)
        self._logged = fault


def _damaged() -> NotReady:
    return NotReady("the stored calibrator is damaged", reason="CALIBRATOR_DAMAGED")


def _report(snapshot: Snapshot) -> None:
    for calibrator_id in sorted(snapshot.damaged.values()):
        _log.error("the active calibrator %s is damaged: its scope is not served", calibrator_id)


def _translated(error: store_errors.StoreError) -> ServiceError:
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


# What is nothing that a caller has done: its cause belongs into the log.
_FAULTS = ("STORE_UNAVAILABLE", "STORE_FAULT", "CALIBRATOR_DAMAGED")
_NOT_ACTIVE = ("the calibrator is not the active one of its scope", "CALIBRATOR_NOT_ACTIVE")
_NOT_READY: dict[type[store_errors.StoreError], tuple[str, str]] = {
    store_errors.NothingActive: _NOT_ACTIVE,
    store_errors.NotActive: _NOT_ACTIVE,
    store_errors.StillActive: (
        "the calibrator is active: roll it back, or activate another",
        "CALIBRATOR_ACTIVE",
    ),
    store_errors.StoreCorrupt: ("the stored calibrator is damaged", "CALIBRATOR_DAMAGED"),
}
