"""Who has changed what: a row beside each change, of the same transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from trueodds_service.caller import Caller, acting_for, current
from trueodds_service.store.database import Database
from trueodds_service.store.probe import check_current
from trueodds_service.store.tables import AuditRow

_PAGE = 1000
_RETENTION = Caller(tenant="", name="retention", permissions=frozenset())


class Action(StrEnum):
    """What has been done. The values are part of stored records."""

    FIT = "fit"
    ACTIVATE = "activate"
    ROLL_BACK = "roll back"
    DELETE = "delete"
    IMPORT = "import"
    CREATE_KEY = "create key"
    REVOKE_KEY = "revoke key"
    ROTATE_KEY = "rotate key"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What ``caller`` did with ``subject``, which is the ``tenant``'s.

    The subject is a calibrator's name, ``keys/{id}``, or what was forgotten of this log.
    ``sequence`` grows by one or more.
    """

    sequence: int
    created_at: datetime
    tenant: str
    caller: str
    action: Action
    subject: str


def note(session: Session, action: Action, subject: str, *, tenant: str | None = None) -> None:
    """Keeps what the current caller does, if the transaction is kept.

    ``tenant`` is whose the subject is: the caller's own unless told.
    """
    who = current()
    session.add(
        AuditRow(
            created_at=datetime.now(UTC),
            tenant=who.tenant if tenant is None else tenant,
            caller=who.name,
            action=action.value,
            subject=subject,
        )
    )


def audit_log(
    url: str, *, tenant: str | None = None, since: datetime | None = None
) -> Iterator[AuditEntry]:
    """All that was noted, the oldest first; of one tenant or since a moment, where told.

    Raises StoreError where there is no such store.
    """
    check_current(url)
    database = Database(url)
    query = select(AuditRow).order_by(AuditRow.sequence).limit(_PAGE)
    if tenant is not None:
        query = query.where(AuditRow.tenant == tenant)
    if since is not None:
        query = query.where(AuditRow.created_at >= since)
    last = 0
    try:
        while True:
            with database.reading() as session:
                rows = session.scalars(query.where(AuditRow.sequence > last)).all()
                entries = [_entry(row) for row in rows]
            yield from entries
            if len(entries) < _PAGE:
                return
            last = entries[-1].sequence
    finally:
        database.close()


def forget_audit(url: str, *, before: datetime) -> int:
    """Forgets the lines of before a moment, and adds one that says so; how many there were.

    Raises StoreError where there is no such store.
    """
    check_current(url)
    database = Database(url)
    old = AuditRow.created_at < before
    try:
        with database.writing() as session, acting_for(_RETENTION):
            lines = session.scalar(select(func.count()).select_from(AuditRow).where(old)) or 0
            if lines:
                session.execute(delete(AuditRow).where(old))
                said = f"audit: {lines} lines of before {before:%Y-%m-%dT%H:%M:%SZ}"
                note(session, Action.FORGET, said)
            return lines
    finally:
        database.close()


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        row.sequence, row.created_at, row.tenant, row.caller, Action(row.action), row.subject
    )
