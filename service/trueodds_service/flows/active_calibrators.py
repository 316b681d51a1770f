"""Which calibrator answers a question."""

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from trueodds_service.caller import current
from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.core.decisions.cascade import METHOD as CASCADE
from trueodds_service.errors import InvalidInput, NotFound, NotReady, ServiceError, Unavailable
from trueodds_service.flows.apply_calibrator import applied_by
from trueodds_service.flows.following import follow
from trueodds_service.flows.raw import raw_because
from trueodds_service.flows.store_calls import AWAY, StoreCalls, patiently, translated
from trueodds_service.store.base import CalibratorStore
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.errors import StoreUnavailable
from trueodds_service.store.records import Activation, Damaged, FitRequest, Scope
from trueodds_service.store.views import Snapshot

T = TypeVar("T")

_log = logging.getLogger(__name__)

# "Every replica serves it within a second": two polls fit into one.
_POLL_SECONDS = 0.4
# How long a poll may say nothing before it is given up and the next begins.
_POLL_ANSWER_SECONDS = 5.0
# How long after the last poll that was answered what is held counts as current.
_STALE_SECONDS = 2.0
# Threads for what callers ask of the store: they wait for each other, and no answer for them.
_THREADS = 4
# Somewhat more than a writer waits for its turn.
_ANSWER_SECONDS = 15.0
_PAGE = 1000
_UNKNOWN = "which calibrators are active is not known yet: the store has not answered"
_MAX_RAW = 1024
_MAX_NAMED = 1024


class Calibrators:
    """The store as the flows see it: asynchronous, with what is active held in memory.

    Answers never wait for the database. An activation is served by this process at once, and
    by every other within a second: each polls the store in a thread that does nothing else. While
    the store is away, what was active last answers, and is ``stale``.
    """

    def __init__(self, store: CalibratorStore, prepare: Callable[[], None] | None = None) -> None:
        """``prepare`` makes the store one that can be used; it comes before all else, again and
        again until it succeeds.
        """
        self.store = store
        self._prepare = prepare
        self._calls = StoreCalls(_THREADS, _ANSWER_SECONDS)
        self._polls = StoreCalls(1, _POLL_ANSWER_SECONDS)
        self._snapshot = Snapshot(version=-1, active={}, damaged={})
        self._turns = itertools.count(1)
        self._taken = 0
        self._began = time.monotonic()
        self._known_at: float | None = None
        self._applied: dict[str, Applied] = {}
        # By tenant as well: a tenant gets only what it has asked for itself.
        self._named: dict[tuple[str, str, str], Calibrator] = {}
        self._raw: dict[Scope, str] = {}

    @property
    def stale_seconds(self) -> float:
        """``known_seconds`` of a process that does not know; 0 of one that does."""
        seconds = self.known_seconds
        return seconds if seconds > _STALE_SECONDS or not self.is_known else 0.0

    @property
    def known_seconds(self) -> float:
        """How long ago this process last knew what is active, or began where it never has; a
        poll's time while it does know.
        """
        return time.monotonic() - (self._began if self._known_at is None else self._known_at)

    def counts(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """By model, the scopes in which a calibrator answers, and those where it is damaged."""
        active = Counter(scope.model for scope in self._snapshot.active)
        damaged = Counter(scope.model for scope in self._snapshot.damaged)
        return active, damaged

    @property
    def answering(self) -> Mapping[str, Calibrator]:
        """All that are active, of every tenant, by their ids."""
        return {each.id: each for each in self._snapshot.active.values()}

    def only_active(self, asked: Scope) -> str:
        """The id of the one calibrator that answers in a task, whatever the reading and the number
        of options of ``asked``. Those of confidences alone answer nothing.

        Raises NotFound where there is none, InvalidInput, with their names, where there are
        several, and Unavailable while nobody knows.
        """
        if not self.is_known:
            raise Unavailable(_UNKNOWN, reason="STORE_UNAVAILABLE")
        answering = {scope: each.id for scope, each in self._snapshot.active.items()}
        found = [
            name
            for scope, name in {**answering, **self._snapshot.damaged}.items()
            if replace(scope, reading=asked.reading, options=asked.options) == asked
            and not scope.is_alone
        ]
        model = f"models/{asked.model}"
        if not found:
            raise NotFound(
                f"{model} has no active calibrator of this task", reason="CALIBRATOR_NOT_FOUND"
            )
        if len(found) > 1:
            names = ", ".join(sorted(f"{model}/calibrators/{each}" for each in found))
            raise InvalidInput("name", f"is required: the task has {len(found)} of them: {names}")
        return found[0]

    @property
    def is_known(self) -> bool:
        """Whether the store has answered yet."""
        return self._known_at is not None

    @property
    def stale(self) -> bool:
        """Whether another calibrator may have become active, without this process knowing."""
        return self.stale_seconds > 0

    async def open(self) -> None:
        """Prepares the store and takes over what is active.

        Where the store is away, ``follow`` does it later. Raises StoreError where that is of no
        use.
        """
        try:
            # However long it takes: others may be at it, or many records to be changed.
            await asyncio.to_thread(self._make_ready)
            await self.refresh()
        except (StoreUnavailable, Unavailable) as error:
            self._calls.log_once("open", error)

    def _make_ready(self) -> None:
        if self._prepare is not None:
            self._prepare()
            self._prepare = None

    async def refresh(self) -> None:
        """Takes over what is active now."""
        await self._refresh(self._calls)

    async def _refresh(self, calls: StoreCalls) -> None:
        if self._prepare is not None:
            await calls.ask(self._make_ready)
        turn, began = next(self._turns), time.monotonic()
        mark = await calls.ask(self.store.mark)
        if mark != self._snapshot.mark:
            # One tenant's activation is not to cost the reading of all that others have.
            snapshot = await calls.ask(self.store.snapshot, self._snapshot)
            # Two refreshes can overlap; the one that began later saw every earlier activation.
            # Versions do not tell: a database restored from a backup counts on from less.
            if turn > self._taken:
                self._snapshot, self._taken = snapshot, turn
                names = {each.id for each in snapshot.active.values()}
                self._applied = {
                    name: each for name, each in self._applied.items() if name in names
                }
                self._raw = {}
                _report(snapshot)
        self._known_at = max(self._known_at or 0.0, began)

    async def follow(self) -> None:
        """Refreshes until cancelled. While the store is away the last snapshot answers."""
        await follow(partial(self._refresh, self._polls), self._polls, _POLL_SECONDS)

    def active(self, scope: Scope) -> Calibrator | NotReady | None:
        """What answers in ``scope``: its task's calibrator, else the model's default.

        Of each, the one for this number of options comes before the one for any number.

        Where that is damaged, nothing stands in for it.
        """
        default = replace(scope, task="")
        for each in (scope, replace(scope, options=0), default, replace(default, options=0)):
            if each in self._snapshot.damaged:
                return _damaged()
            if calibrator := self._snapshot.active.get(each):
                return calibrator
        return None

    def none_active(self, scope: Scope) -> ServiceError:
        """What a caller is told who wants no raw answer in ``scope``."""
        if not self.is_known:
            return Unavailable(_UNKNOWN, reason="STORE_UNAVAILABLE")
        return NotReady(self.raw_because(scope), reason="NOT_CALIBRATED")

    def raw_because(self, scope: Scope) -> str:
        """Why nothing answers in ``scope``, in words."""
        if not self.is_known:
            return _UNKNOWN
        because = self._raw.get(scope)
        if because is None:
            if len(self._raw) >= _MAX_RAW:  # the names of tasks are the callers'
                self._raw.clear()
            because = self._raw[scope] = raw_because(scope, self._snapshot.active)
        return because

    def applied(self, calibrator: Calibrator) -> Applied | NotReady:
        """What applies a calibrator, made once; or why nothing can be made of what is stored."""
        if calibrator.method == CASCADE:
            return NotReady(
                "the calibrator is a cascade's: a threshold, and nothing to apply to scores",
                reason="IS_CASCADE",
            )
        made = self._applied.get(calibrator.id)
        if made is None:
            try:
                made = applied_by(calibrator)
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
        """Raises NotFound. While the store is away, one that was asked for before is known."""
        name = current().tenant, model, calibrator_id
        known = self._named.get(name)
        if known is not None and self.stale:
            return known
        try:
            calibrator = await self.ask(self.store.get, model, calibrator_id)
        except ServiceError as error:
            if known is None or error.reason not in AWAY:
                self._named.pop(name, None)
                raise
            return known
        if len(self._named) >= _MAX_NAMED:
            self._named.clear()
        self._named[name] = calibrator
        return calibrator

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

    async def check_room(self) -> None:
        """Raises NotReady where the caller's tenant has as many calibrators as it may."""
        await self.ask(self.store.check_room)

    async def keep(
        self,
        calibrator: Calibrator,
        activate: bool,
        request: FitRequest | None,
        patience: float = 0.0,
    ) -> Calibrator:
        """Stores a calibrator, and activates it where asked; the one that is kept.

        A store that is away is asked again for ``patience`` seconds, as long as the caller waits:
        what is stored twice is stored once.
        """
        put = partial(self.ask, self.store.put, calibrator, activate=activate, request=request)
        kept = await patiently(put, patience)
        if activate:
            await self.refresh()
        return kept

    async def activate(
        self, calibrator: Calibrator, *, force: bool = False, instead_of: str | None = None
    ) -> None:
        """Raises NotReady if its fit is degenerate, unless forced or active as it is.

        ``instead_of`` is what has to be active till then: NotReady where it is not.
        """
        if calibrator.degenerate and not force and not self.is_active(calibrator):
            raise NotReady(
                f"the fit is degenerate: {calibrator.degenerate}; force its activation if you "
                "mean it",
                reason="DEGENERATE_FIT",
            )
        await self.ask(
            self.store.activate, calibrator.scope.model, calibrator.id, expected_id=instead_of
        )
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

    async def history(self, model: str, calibrator_id: str) -> Sequence[Activation]:
        """All activations in the scope of a calibrator, the oldest first. Raises NotFound."""
        scope = (await self.find(model, calibrator_id)).scope
        return await self.ask(self.store.history, scope)

    async def before(self, model: str, calibrator_id: str) -> str | None:
        """What a rollback of an active calibrator would return to, as it looks now; its id.

        None where nothing would be active. Raises NotFound.
        """
        rows = {each.sequence: each for each in await self.history(model, calibrator_id)}
        below = rows.get(next(reversed(rows.values())).parent or 0) if rows else None
        while below is not None:
            try:
                if isinstance(await self.find(model, below.calibrator_id or ""), Calibrator):
                    return below.calibrator_id
            except NotFound:  # it was deleted: passed over
                pass
            below = rows.get(below.parent or 0)
        return None

    async def ask(self, call: Callable[..., T], *args: object, **kwargs: object) -> T:
        """A call of the store, off the event loop, with its errors as the service's."""
        if self._prepare is not None:
            raise translated(StoreUnavailable("it has not answered yet"))
        return await self._calls.ask(call, *args, **kwargs)

    def close(self) -> None:
        """Asks the store for nothing more."""
        for calls in (self._calls, self._polls):
            calls.close()


def _damaged() -> NotReady:
    return NotReady("the stored calibrator is damaged", reason="CALIBRATOR_DAMAGED")


def _report(snapshot: Snapshot) -> None:
    for calibrator_id in sorted(snapshot.damaged.values()):
        _log.error("the active calibrator %s is damaged: its scope is not served", calibrator_id)
