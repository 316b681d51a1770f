"""Alerts: that a test found evidence against a calibrator, who was told, and what is proposed.

What is to be done later, a delivery or a proposal, is claimed: it is put off for as long as its
claimant may take, and is due again where that one died.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from trueodds_service.caller import current
from trueodds_service.store.convert import scope_record
from trueodds_service.store.database import Database
from trueodds_service.store.errors import BadPageToken
from trueodds_service.store.paging import make_token, read_token
from trueodds_service.store.records import Scope, calibrator_name
from trueodds_service.store.tables import AlertRow, CalibratorRow, ProposalRow, ScopeRow

_ID_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a test found: ``log_evidence`` after ``outcomes`` outcomes, an alarm at −ln ``alpha``.

    ``scope`` is the calibrator's. ``expected`` is what the promise said of the newest outcomes,
    ``observed`` what became of them. ``through`` is the position of the last outcome looked at.
    """

    scope: Scope
    calibrator: str
    test: str
    alpha: float
    log_evidence: float
    outcomes: int
    expected: float
    observed: float
    through: int
    created_at: datetime

    @property
    def id(self) -> str:
        """The same for whoever finds it."""
        return hashlib.sha256(f"{self.calibrator}/{self.test}".encode()).hexdigest()[:_ID_DIGITS]

    @property
    def calibrator_name(self) -> str:
        """As ``Calibrator.name``."""
        return calibrator_name(self.scope.model, self.calibrator)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far the webhook is told: ``try_at`` is when it is tried next, None for no more.

    Neither delivered, nor tried, nor to be tried: there was no webhook. ``fault`` is the last one.
    """

    attempts: int
    try_at: datetime | None
    delivered_at: datetime | None
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to take a calibrator's place, by its id; None while there is none, and ``note`` why.

    Fitted on so many outcomes since the alert and compared with the present one on the later
    ``held_out`` ones; or on a check's questions, and compared on ``held_out`` outcomes.
    ``differences``, by metric, are the proposal's less the present one's: the
    value, and the ends of its 95 % interval. ``is_waiting``: it is tried again.
    """

    note: str = ""
    proposed: str | None = None
    fitted: int = 0
    held_out: int = 0
    differences: Mapping[str, tuple[float, float, float]] | None = None
    activated: bool = False
    is_waiting: bool = False


class Told(NamedTuple):
    """An alert with what was done about it; no proposal while no alert of its calibrator asks."""

    alert: Alert
    delivery: Delivery
    proposal: Proposal | None


class AlertPage(NamedTuple):
    """A part of a listing, and the token of the next part: empty on the last page."""

    alerts: list[Told]
    next_page_token: str


class Wanted(NamedTuple):
    """A proposal that is due: for this calibrator, from its outcomes after a position."""

    calibrator: str
    after: int


class SqlAlertStore:
    """Alerts in SQLite or PostgreSQL; ``upgrade(url)`` has to come first.

    Every method is one transaction, and blocks. Each can raise StoreError. ``page`` is the
    current caller's; the others are the service's own, for every tenant.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def known(self) -> set[tuple[str, str]]:
        """All that was ever found: calibrators and tests."""
        with self._database.reading() as session:
            found = session.execute(select(AlertRow.calibrator_id, AlertRow.test))
            return {(calibrator, test) for calibrator, test in found}

    def add(self, alert: Alert, *, deliver: bool, propose: bool) -> bool:
        """Keeps an alert; False where the same was found before, and nothing is done.

        With ``deliver`` the webhook is to be told, and with ``propose`` a proposal to be made.
        """
        now = datetime.now(UTC)
        with self._database.writing() as session:
            if session.scalars(select(AlertRow.id).filter_by(id=alert.id)).one_or_none():
                return False
            of = select(CalibratorRow.scope_id).filter_by(id=alert.calibrator)
            scope_id = session.scalars(of).one()
            session.add(_row(alert, scope_id, now if deliver else None))
            if propose and session.get(ProposalRow, alert.calibrator) is None:
                session.add(
                    ProposalRow(
                        calibrator_id=alert.calibrator,
                        after=alert.through,
                        try_at=now,
                        note="",
                        fitted=0,
                        held_out=0,
                        activated=False,
                    )
                )
            return True

    def page(
        self, model: str, calibrator: str | None, *, page_size: int, page_token: str = ""
    ) -> AlertPage:
        """The alerts of a model, or of one of its calibrators, the newest first.

        Raises:
            BadPageToken: the token is not from such a listing.
            ValueError: ``page_size`` is below 1.
        """
        if page_size < 1:
            raise ValueError(f"page_size is {page_size}, below 1")
        own = (ScopeRow.model == model) & (ScopeRow.tenant == current().tenant)
        query = select(AlertRow).where(AlertRow.scope.has(own))
        if calibrator is not None:
            query = query.filter_by(calibrator_id=calibrator)
        last = read_token(page_token, model, calibrator) if page_token else None
        with self._database.reading() as session:
            if last is not None:
                query = query.where(AlertRow.position < _position(session, query, last))
            # One more than the page holds tells whether there is a next page.
            query = query.order_by(AlertRow.position.desc()).limit(page_size + 1)
            rows = session.scalars(query).all()
            found = [_told(session, row) for row in rows[:page_size]]
        more = len(rows) > page_size
        return AlertPage(found, make_token(model, calibrator, found[-1].alert.id) if more else "")

    def claim_delivery(self, lease: timedelta) -> tuple[Alert, int] | None:
        """An alert that the webhook is to be told now, and the number of this attempt."""
        now = datetime.now(UTC)
        query = select(AlertRow).where(AlertRow.try_at <= now).order_by(AlertRow.try_at).limit(1)
        if not self._has(query):
            return None
        with self._database.writing() as session:
            row = session.scalars(query).one_or_none()
            if row is None:  # another gateway was first
                return None
            row.attempts += 1
            row.try_at = now + lease
            return _alert(row), row.attempts

    def delivered(self, alert: str) -> None:
        """The webhook has taken it."""
        with self._database.writing() as session:
            row = session.scalars(select(AlertRow).filter_by(id=alert)).one()
            row.try_at, row.delivered_at, row.fault = None, datetime.now(UTC), ""

    def not_delivered(self, alert: str, fault: str, again: timedelta | None) -> None:
        """It has not; it is told again after ``again``, or no more where that is None."""
        with self._database.writing() as session:
            row = session.scalars(select(AlertRow).filter_by(id=alert)).one()
            if row.delivered_at is None:  # by another, whose claim had run out
                row.try_at = None if again is None else datetime.now(UTC) + again
                row.fault = fault

    def broken_at(self, calibrator: str) -> int:
        """The position of the last outcome that its first alert of a broken promise had looked at;
        0 where none was found.
        """
        with self._database.reading() as session:
            row = session.get(ProposalRow, calibrator)
            return 0 if row is None else row.after

    def claim_proposal(self, lease: timedelta, due: datetime) -> Wanted | None:
        """A proposal that was to be made by ``due``."""
        query = select(ProposalRow).where(ProposalRow.try_at <= due)
        query = query.order_by(ProposalRow.try_at).limit(1)
        if not self._has(query):
            return None
        with self._database.writing() as session:
            row = session.scalars(query).one_or_none()
            if row is None:
                return None
            row.try_at = datetime.now(UTC) + lease
            return Wanted(row.calibrator_id, row.after)

    def propose(self, calibrator: str, proposal: Proposal, again: timedelta | None = None) -> None:
        """Keeps what became of a proposal; it is tried again after ``again``, if that is given."""
        differences = proposal.differences
        with self._database.writing() as session:
            row = session.get_one(ProposalRow, calibrator)
            row.note, row.proposed_id = proposal.note, proposal.proposed
            row.fitted, row.held_out = proposal.fitted, proposal.held_out
            row.differences = None if differences is None else dict(differences)
            row.activated = proposal.activated
            row.try_at = None if again is None else datetime.now(UTC) + again

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()

    def _has(self, query: Select[AlertRow] | Select[ProposalRow]) -> bool:
        """Whether there is a row, without the lock of those who write."""
        with self._database.reading() as session:
            return session.execute(query).first() is not None


def _row(alert: Alert, scope_id: int, try_at: datetime | None) -> AlertRow:
    return AlertRow(
        id=alert.id,
        scope_id=scope_id,
        calibrator_id=alert.calibrator,
        test=alert.test,
        alpha=alert.alpha,
        log_evidence=alert.log_evidence,
        outcomes=alert.outcomes,
        expected=alert.expected,
        observed=alert.observed,
        through=alert.through,
        created_at=alert.created_at,
        attempts=0,
        try_at=try_at,
        fault="",
    )


def _alert(row: AlertRow) -> Alert:
    return Alert(
        scope=scope_record(row.scope),
        calibrator=row.calibrator_id,
        test=row.test,
        alpha=row.alpha,
        log_evidence=row.log_evidence,
        outcomes=row.outcomes,
        expected=row.expected,
        observed=row.observed,
        through=row.through,
        created_at=row.created_at,
    )


def _told(session: Session, row: AlertRow) -> Told:
    delivery = Delivery(row.attempts, row.try_at, row.delivered_at, row.fault)
    return Told(_alert(row), delivery, _proposal(session.get(ProposalRow, row.calibrator_id)))


def _proposal(row: ProposalRow | None) -> Proposal | None:
    if row is None:
        return None
    differences = row.differences
    return Proposal(
        note=row.note,
        proposed=row.proposed_id,
        fitted=row.fitted,
        held_out=row.held_out,
        differences=differences and {name: tuple(each) for name, each in differences.items()},
        activated=row.activated,
        is_waiting=row.try_at is not None,
    )


def _position(session: Session, query: Select[AlertRow], alert: str) -> int:
    """The place of one that a page of this listing ended with."""
    position = session.scalar(query.with_only_columns(AlertRow.position).filter_by(id=alert))
    if position is None:
        raise BadPageToken("the page token is of no listing here")
    return position
