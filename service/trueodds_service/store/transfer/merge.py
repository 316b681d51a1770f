"""What a store lacks of an archive, added; what contradicts it, refused.

A calibrator is named by its content, so a known one is the same. A scope's history only grows: one
of the two histories has to begin with the other, and where the archive's is the longer one, the
store's is continued by it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from trueodds_service.store.activations import find_scope, in_force
from trueodds_service.store.audit import Action, note
from trueodds_service.store.convert import activation_record, calibrator_row, scope_row
from trueodds_service.store.errors import Contradiction
from trueodds_service.store.records import Activation, Scope, calibrator_name
from trueodds_service.store.tables import (
    CLOCK_ID,
    ActivationRow,
    CalibratorRow,
    ClockRow,
    FitRequestRow,
    ScopeRow,
)
from trueodds_service.store.transfer.archive import Archive, KeptCalibrator, KeptRequest, Numbers


def merge(session: Session, archive: Archive) -> Numbers:
    """How many records of each kind were new. Raises Contradiction."""
    return Numbers(
        sum(_add_calibrator(session, each) for each in archive.calibrators),
        _add_activations(session, archive.activations),
        sum(_add_request(session, each) for each in archive.requests),
    )


def _add_calibrator(session: Session, kept: KeptCalibrator) -> bool:
    calibrator = kept.calibrator
    if session.scalar(select(CalibratorRow.position).filter_by(id=calibrator.id)) is not None:
        return False
    scope = find_scope(session, calibrator.scope) or scope_row(calibrator.scope)
    row = calibrator_row(calibrator, scope)
    row.deleted = kept.deleted
    session.add(row)
    session.flush()
    return True


class _Step(NamedTuple):
    """An activation as its history tells it: ``parent`` is a place in it."""

    calibrator_id: str | None
    created_at: datetime
    parent: int | None


def _add_activations(session: Session, activations: Sequence[Activation]) -> int:
    clock = session.get_one(ClockRow, CLOCK_ID)
    # The sequences, here, of the steps of each scope's history.
    sequences: dict[Scope, list[int]] = {}
    scopes: dict[Scope, ScopeRow] = {}
    steps = _histories(activations)
    for scope, theirs in steps.items():
        scopes[scope] = row = _scope_row(session, scope)
        ours = session.scalars(
            select(ActivationRow).filter_by(scope_id=row.id).order_by(ActivationRow.sequence)
        ).all()
        own = _histories([activation_record(each) for each in ours]).get(scope, [])
        _check_same_beginning(scope, own, theirs)
        sequences[scope] = [each.sequence for each in ours]
    known = {scope: len(each) for scope, each in sequences.items()}
    place: dict[Scope, int] = defaultdict(int)
    added = 0
    for activation in activations:
        scope, here = activation.scope, place[activation.scope]
        place[scope] += 1
        if here < known[scope]:
            continue
        step = steps[scope][here]
        clock.version += 1
        parent = None if step.parent is None else sequences[scope][step.parent]
        session.add(
            ActivationRow(
                sequence=clock.version,
                scope=scopes[scope],
                calibrator_id=step.calibrator_id,
                parent=parent,
                created_at=step.created_at,
            )
        )
        session.flush()
        sequences[scope].append(clock.version)
        added += 1
    for scope, row in scopes.items():
        name = _checked_in_force(session, scope, row)
        if len(sequences[scope]) > known[scope]:
            # What answers the tenant from now on.
            named = (
                f"models/{scope.model}: none"
                if name is None
                else calibrator_name(scope.model, name)
            )
            note(session, Action.IMPORT, named, tenant=scope.tenant)
    return added


def _histories(activations: Sequence[Activation]) -> dict[Scope, list[_Step]]:
    places: dict[int, int] = {}
    histories: dict[Scope, list[_Step]] = defaultdict(list)
    for each in activations:
        history = histories[each.scope]
        places[each.sequence] = len(history)
        parent = None if each.parent is None else places[each.parent]
        history.append(_Step(each.calibrator_id, each.created_at, parent))
    return dict(histories)


def _check_same_beginning(scope: Scope, ours: Sequence[_Step], theirs: Sequence[_Step]) -> None:
    for number, (own, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if own != other:
            raise Contradiction(
                f"of {scope.model}, task {scope.task!r}, {scope.options} options, the histories "
                f"differ at step {number}: {own.calibrator_id} was activated here at "
                f"{own.created_at}, and {other.calibrator_id} in the file at {other.created_at}"
            )


def _checked_in_force(session: Session, scope: Scope, row: ScopeRow) -> str | None:
    """The id of what is active now. Raises Contradiction where that was deleted."""
    current = in_force(session, row)
    name = None if current is None else current.calibrator_id
    if name is not None and _is_deleted(session, name):
        raise Contradiction(
            f"of {scope.model}, task {scope.task!r}, calibrator {name} would be active, and was "
            "deleted here"
        )
    return name


def _scope_row(session: Session, scope: Scope) -> ScopeRow:
    """It is there: that of a calibrator of the archive."""
    row = find_scope(session, scope)
    assert row is not None  # noqa: S101 (for the type checker)
    return row


def _add_request(session: Session, kept: KeptRequest) -> bool:
    row = session.get(FitRequestRow, {"id": kept.request.id, "tenant": kept.tenant})
    if row is None and _is_deleted(session, kept.calibrator_id):
        # As a deletion forgets it: the same fit again makes the calibrator anew.
        return False
    if row is None:
        session.add(
            FitRequestRow(
                id=kept.request.id,
                fingerprint=kept.request.fingerprint,
                calibrator_id=kept.calibrator_id,
                created_at=kept.created_at,
                tenant=kept.tenant,
            )
        )
        return True
    if (row.fingerprint, row.calibrator_id) != (kept.request.fingerprint, kept.calibrator_id):
        raise Contradiction(f"request {kept.request.id} gave something else here")
    return False


def _is_deleted(session: Session, calibrator_id: str) -> bool:
    return bool(session.scalar(select(CalibratorRow.deleted).filter_by(id=calibrator_id)))
