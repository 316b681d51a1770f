"""The pointer from a scope to its calibrator, moved by appending to the scope's history.

Read along ``parent``, the history is a stack. An activation lies on the one in force before it;
a rollback repeats the row below, with that row's own parent, so the next one goes deeper. Rows of
deleted calibrators are passed over.
"""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.errors import NotActive, NothingActive
from trueodds_service.store.records import Scope
from trueodds_service.store.salvage import read_all
from trueodds_service.store.tables import (
    CLOCK_ID,
    ActivationRow,
    CalibratorRow,
    ClockRow,
    ScopeRow,
)


def find_scope(session: Session, scope: Scope) -> ScopeRow | None:
    """The row of a scope, if any calibrator was ever put for it."""
    return session.scalars(
        select(ScopeRow).filter_by(
            model=scope.model,
            revision=scope.revision,
            task=scope.task,
            reading=scope.reading,
            format_version=scope.format_version,
            options=scope.options,
            tenant=scope.tenant,
        )
    ).one_or_none()


def in_force(session: Session, scope: ScopeRow) -> ActivationRow | None:
    """The activation that holds in a scope: its newest row, unless a rollback left nothing."""
    newest = session.scalars(
        select(ActivationRow)
        .where(ActivationRow.scope_id == scope.id)
        .order_by(ActivationRow.sequence.desc())
        .limit(1)
    ).one_or_none()
    return newest if newest and newest.calibrator_id is not None else None


def push(session: Session, calibrator: CalibratorRow) -> ActivationRow:
    """Activate a calibrator, on top of what is in force in its scope."""
    current = in_force(session, calibrator.scope)
    if current and current.calibrator_id == calibrator.id:
        return current
    parent = current.sequence if current else None
    return _append(session, calibrator.scope, calibrator.id, parent)


def pop(session: Session, scope: ScopeRow, expected_id: str | None) -> ActivationRow:
    """Take back the activation in force; the new row may name no calibrator.

    Raises:
        NothingActive: nothing is in force.
        NotActive: another calibrator than the expected one is in force.
    """
    current = in_force(session, scope)
    if current is None:
        raise NothingActive(f"nothing is active for {scope.model}, task {scope.task!r}")
    if expected_id not in (None, current.calibrator_id):
        raise NotActive(f"calibrator {expected_id} is not active; {current.calibrator_id} is")
    parent = current.parent
    while parent is not None:
        below = session.get_one(ActivationRow, parent)
        if _can_answer(session, below):
            return _append(session, scope, below.calibrator_id, below.parent)
        parent = below.parent
    return _append(session, scope, None, None)


def _can_answer(session: Session, row: ActivationRow) -> bool:
    """Whether the activation's calibrator is there, and whole."""
    query = select(CalibratorRow).filter_by(id=row.calibrator_id, deleted=False)
    return any(isinstance(each.record, Calibrator) for each in read_all(session, query))


def _append(
    session: Session, scope: ScopeRow, calibrator_id: str | None, parent: int | None
) -> ActivationRow:
    """Append a row and advance the store's version, which the transaction has locked."""
    clock = session.get_one(ClockRow, CLOCK_ID)
    clock.version += 1
    row = ActivationRow(
        sequence=clock.version,
        scope=scope,
        calibrator_id=calibrator_id,
        parent=parent,
        created_at=datetime.now(UTC),
    )
    session.add(row)
    session.flush()
    return row
