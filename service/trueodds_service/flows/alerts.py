"""The path of an alert: new outcomes → the tests of active calibrators → the store, once."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.errors import ServiceError, Unavailable
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.promises import Answers, Promise, PromiseTests
from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store.alerts import Alert, AlertPage, SqlAlertStore
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.outcomes import Kept, SqlOutcomeStore

T = TypeVar("T")

_log = logging.getLogger(__name__)

_THREADS = 2
# Whose turn it is to work on outcomes, whosever they are: no tenant is called so.
_OWNER = "the alert watch"
_ANSWER_SECONDS = 20.0
# Outcomes that are read and tested at once, some ten milliseconds of work, and the pause after
# them: whoever is answered meanwhile does not notice.
_AT_ONCE = 1000
_PAUSE_SECONDS = 0.1
# How many outcomes an alert's expected and observed values are of.
_WINDOW = 1000


@dataclass(slots=True)
class _Watched:
    """A calibrator's tests, and the last outcome that they have taken up.

    ``corrections`` is how often its outcomes had been corrected when they began. ``is_behind``:
    there may be more of them, for the last look was cut off.
    """

    corrections: int
    is_behind: bool = True
    tests: PromiseTests = field(default_factory=PromiseTests)
    position: int = 0


class Alerts:
    """The alerts of a store, and the watch that finds them. Use it inside one event loop.

    Every gateway watches; whichever is first records an alert, and no other does so again.
    """

    def __init__(
        self,
        store: SqlAlertStore,
        outcomes: SqlOutcomeStore,
        calibrators: Calibrators,
        *,
        deliver: bool,
    ) -> None:
        """``deliver``: there is a webhook that is to be told."""
        self.store, self.outcomes = store, outcomes
        self._calibrators = calibrators
        self._deliver = deliver
        self.calls = StoreCalls(_THREADS, _ANSWER_SECONDS)
        self._watched: dict[str, _Watched] = {}
        self._newest = 0
        # Replaced and never changed: metrics are told in another thread.
        self._known: Set[tuple[str, str]] = frozenset()

    def counts(self) -> Mapping[tuple[str, str], int]:
        """By model and test, the scopes whose active calibrator has an alert, as last seen."""
        answering = self._calibrators.answering
        return Counter(
            (answering[calibrator].scope.model, test)
            for calibrator, test in self._known
            if calibrator in answering
        )

    async def page(
        self, model: str, calibrator: str | None, *, page_size: int, page_token: str
    ) -> AlertPage:
        """The current caller's alerts of a model, or of one calibrator, the newest first."""
        return await self.ask(
            self.store.page, model, calibrator, page_size=page_size, page_token=page_token
        )

    async def look(self) -> None:
        """Takes up what was told since the last look, and records what that is evidence of.

        Where nothing was told it costs four small questions. Raises a ServiceError while the
        store is away; the next look goes on where this one ended. What is wrong with the outcomes
        of one calibrator is raised once all others have been looked at.
        """
        # As it is there: a backup that has taken its place does not know the last ones.
        self._known = await self.ask(self.store.known)
        corrections = await self.ask(self.outcomes.corrections)
        if await self.ask(self.outcomes.last) < self._newest:
            # A backup has taken the place of the database, and counts on from less.
            self._watched, self._newest = {}, 0
        told = await self.ask(self.outcomes.told_of, self._newest)
        answering = self._calibrators.answering
        self._watched = {name: each for name, each in self._watched.items() if name in answering}
        faults: list[Exception] = []
        for name, calibrator in answering.items():
            watched = self._watched.get(name)
            number = corrections.get(name, 0)
            if watched is None or watched.corrections != number:
                # A correction changes what was taken up: all of it is read again.
                watched = self._watched[name] = _Watched(number)
            if watched.is_behind or name in told:
                watched.is_behind = True
                try:
                    await self._catch_up(calibrator, watched)
                except ServiceError:
                    raise
                except Exception as error:
                    # Its tests may have taken up a part: the next look begins anew.
                    del self._watched[name]
                    faults.append(error)
                else:
                    watched.is_behind = False
        self._newest = max([self._newest, *told.values()])
        if faults:
            raise faults[0]

    async def _catch_up(self, calibrator: Calibrator, watched: _Watched) -> None:
        while True:
            kept = await self.ask(
                self.outcomes.of_calibrator,
                calibrator.id,
                after=watched.position,
                at_most=_AT_ONCE,
            )
            if kept:
                await long_work(watched.tests.add, Answers.of(kept), owner=_OWNER)
                watched.position = kept[-1].position
            # Also where nothing is new: the store may have been away when this was to be recorded.
            for promise, evidence in watched.tests.evidence.items():
                if evidence.alarm_at is not None and (calibrator.id, promise) not in self._known:
                    effect = await self._effect(calibrator.id, promise)
                    await self.record(calibrator, promise, evidence, effect, watched.position)
            if len(kept) < _AT_ONCE:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def record(
        self,
        calibrator: Calibrator,
        promise: Promise,
        evidence: Evidence,
        effect: tuple[float, float],
        through: int = 0,
    ) -> None:
        """Keeps an alarm, unless it is known. ``effect`` is what was expected, and observed;
        ``through`` the position of the last outcome that was looked at.
        """
        expected, observed = effect
        alert = Alert(
            scope=calibrator.scope,
            calibrator=calibrator.id,
            test=promise.value,
            alpha=evidence.alpha,
            log_evidence=evidence.largest,
            outcomes=evidence.alarm_at or 0,
            expected=expected,
            observed=observed,
            through=through,
            created_at=datetime.now(UTC),
        )
        is_new = await self.ask(
            self.store.add, alert, deliver=self._deliver, propose=promise.is_broken
        )
        self._known = self._known | {(alert.calibrator, alert.test)}
        if is_new:
            _report(alert, promise)

    async def _effect(self, calibrator: str, promise: Promise) -> tuple[float, float]:
        """What the promise says of the newest outcomes, and what became of them."""
        newest = await self.ask(self.outcomes.newest, calibrator, _WINDOW, known=promise.is_broken)
        first: list[Kept] = []
        if promise is Promise.SHIFTED:
            first = await self.ask(self.outcomes.of_calibrator, calibrator, at_most=_WINDOW)
        return _effect(promise, Answers.of(first), Answers.of(newest))

    async def ask(self, call: Callable[..., T], *args: object, **kwargs: object) -> T:
        """A call of the store's, off the event loop, with its errors as the service's."""
        if not self._calibrators.is_known:
            raise Unavailable("the store has not answered yet", reason="STORE_UNAVAILABLE")
        return await self.calls.ask(call, *args, **kwargs)

    def close(self) -> None:
        """Asks the store for nothing more."""
        self.calls.close()
        self.store.close()


def _effect(promise: Promise, first: Answers, newest: Answers) -> tuple[float, float]:
    match promise:
        case Promise.SHIFTED:
            return float(first.confidences.mean()), float(newest.confidences.mean())
        case Promise.WORSE_THAN_RAW:
            return _brier(newest.raw, newest.right), _brier(newest.calibrated, newest.right)
        case _:
            right = newest.choices == newest.right
            return float(newest.confidences.mean()), float(right.mean())


def _brier(probs: NDArray[np.float64], right: NDArray[np.int64]) -> float:
    hit = np.arange(probs.shape[1]) == right[:, np.newaxis]
    return float(((probs - hit) ** 2).sum(axis=1).mean())


_SAYS = {
    Promise.SHIFTED: "confidences have moved: look",
    Promise.DISAGREES: "a teacher disagrees otherwise than at the fit: look",
}


def _report(alert: Alert, promise: Promise) -> None:
    says = _SAYS.get(promise, "a calibrator no longer holds")
    fields = {
        "alert": alert.id,
        "calibrator": alert.calibrator_name,
        "tenant": alert.scope.tenant,
        "test": alert.test,
        "log_evidence": round(alert.log_evidence, 3),
        "outcomes": alert.outcomes,
        "expected": round(alert.expected, 4),
        "observed": round(alert.observed, 4),
    }
    _log.warning(says, extra={"fields": fields})
