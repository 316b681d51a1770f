"""Checks: how often a model and its teacher disagreed on fresh questions, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from trueodds_service.store.alerts import Proposal
from trueodds_service.store.database import Database
from trueodds_service.store.tables import CheckRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """On ``disagreeing`` of ``questions`` a calibrator's model and ``teacher``, by its name, chose
    different options. ``prompts_hash`` is of all that they were asked: nothing else of it is kept.

    ``proposal`` is None where none was asked for; it is fitted on these questions.
    """

    calibrator: str
    prompts_hash: str
    teacher: str
    questions: int
    disagreeing: int
    created_at: datetime
    proposal: Proposal | None = None


class SqlCheckStore:
    """Checks in SQLite or PostgreSQL; ``upgrade(url)`` has to come first.

    Every method is one transaction, and blocks. Each can raise StoreError.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def add(self, check: Check) -> Check:
        """Keeps a check; the one that is kept: of the same questions, that is the first."""
        with self._database.writing() as session:
            row = session.scalars(_of(check)).one_or_none()
            if row is None:
                row = _row(check)
                session.add(row)
            return _record(row)

    def propose(self, check: Check, proposal: Proposal) -> Check:
        """Keeps what became of the proposal of a check that is kept; the check with it."""
        with self._database.writing() as session:
            row = session.scalars(_of(check)).one()
            row.proposal = _written(proposal)
            return _record(row)

    def of_calibrator(self, calibrator: str) -> list[Check]:
        """The checks of a calibrator, the oldest first."""
        query = select(CheckRow).filter_by(calibrator_id=calibrator).order_by(CheckRow.position)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)]

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()


def _of(check: Check) -> Select[CheckRow]:
    """The row that a check has, if it is kept."""
    return select(CheckRow).filter_by(
        calibrator_id=check.calibrator, prompts_hash=check.prompts_hash
    )


def _row(check: Check) -> CheckRow:
    return CheckRow(
        calibrator_id=check.calibrator,
        prompts_hash=check.prompts_hash,
        teacher=check.teacher,
        questions=check.questions,
        disagreeing=check.disagreeing,
        created_at=check.created_at,
        proposal=_written(check.proposal),
    )


def _record(row: CheckRow) -> Check:
    return Check(
        calibrator=row.calibrator_id,
        prompts_hash=row.prompts_hash,
        teacher=row.teacher,
        questions=row.questions,
        disagreeing=row.disagreeing,
        created_at=row.created_at,
        proposal=None if row.proposal is None else _proposal(row.proposal),
    )


def _written(proposal: Proposal | None) -> dict[str, Any] | None:
    return None if proposal is None else asdict(proposal)


def _proposal(kept: Mapping[str, Any]) -> Proposal:
    differences = kept["differences"]
    told = differences and {name: tuple(each) for name, each in differences.items()}
    return Proposal(**{**kept, "differences": told})
