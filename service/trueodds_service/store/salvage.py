"""Reading many records, of which some may be damaged: each costs itself and no other."""

import contextlib
from dataclasses import dataclass

from sqlalchemy import Select
from sqlalchemy.orm import Session

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.convert import calibrator_record, scope_record
from trueodds_service.store.errors import StoreCorrupt
from trueodds_service.store.records import Damaged
from trueodds_service.store.tables import CalibratorRow, ScopeRow

# What SQLAlchemy lets through from a column that does not hold what its type says.
_UNREADABLE = (ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Found:
    """A row's place in the order of rows, and the record that it keeps."""

    position: int
    record: Calibrator | Damaged


def read_all(session: Session, query: Select[CalibratorRow]) -> list[Found]:
    """The records of a query's rows, in its order."""
    keys = session.execute(
        query.with_only_columns(CalibratorRow.position, CalibratorRow.id, CalibratorRow.scope_id)
    ).all()
    # All at once, so that each is at hand below; where one cannot be read, none is, and each is
    # read by itself.
    rows: list[CalibratorRow] = []
    with contextlib.suppress(*_UNREADABLE):
        rows += session.scalars(query)
    at_hand = {row.position: row for row in rows}
    found = []
    for position, calibrator_id, scope_id in keys:
        try:
            row = at_hand.get(position) or session.get_one(CalibratorRow, position)
            found.append(Found(position, calibrator_record(row)))
        except (StoreCorrupt, *_UNREADABLE):
            scope = scope_record(session.get_one(ScopeRow, scope_id))
            found.append(Found(position, Damaged(calibrator_id, scope)))
    return found
