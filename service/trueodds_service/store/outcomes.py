"""Outcomes: which option of an answered question was right, kept with what the answer said."""

import secrets
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from trueodds_service.store.activations import find_scope
from trueodds_service.store.convert import scope_record, scope_row
from trueodds_service.store.database import Database
from trueodds_service.store.records import Scope
from trueodds_service.store.tables import (
    SEAL_ID,
    AnswerRow,
    CorrectionsRow,
    OutcomeRow,
    ScopeRow,
    SealRow,
)

T = TypeVar("T")

# Databases bound how many values a statement may have; SQLite once had 999.
_AT_ONCE = 500
# What a call forgets at most: some seconds' work on a slow disk.
_MOST_PRUNED = 20_000
_SEAL_BYTES = 32
# What a correction may change.
_TOLD = ("option", "calibrator_id", "choice", "probabilities", "calibrated")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and what became of it.

    ``probabilities`` and ``calibrated`` are float32 in bytes, little-endian, one an option.
    ``calibrator`` is an id, empty for a raw answer. ``option`` is the right one, None where nobody
    knows. ``answer_id`` is one in the world.
    """

    answer_id: bytes
    scope: Scope
    calibrator: str
    choice: int
    option: int | None
    probabilities: bytes
    calibrated: bytes
    answered_at: datetime


class Recorded(NamedTuple):
    """How many outcomes were new, corrected another option, or said the same again."""

    new: int
    corrected: int
    unchanged: int


class Kept(NamedTuple):
    """An outcome as a test needs it; positions grow in the order of the first words."""

    choice: int
    option: int | None
    probabilities: bytes
    calibrated: bytes
    answered_at: datetime
    position: int = 0


class SqlOutcomeStore:
    """Outcomes in SQLite or PostgreSQL; ``upgrade(url)`` has to come first.

    Every method is one transaction, and blocks. Each can raise StoreError.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def seal(self) -> bytes:
        """The key of receipts, made at the first call: the same for every gateway of the store."""
        with self._database.writing() as session:
            row = session.get(SealRow, SEAL_ID)
            if row is None:
                row = SealRow(id=SEAL_ID, key=secrets.token_bytes(_SEAL_BYTES))
                session.add(row)
            return bytes(row.key)

    def record(self, outcomes: Sequence[Outcome]) -> Recorded:
        """Keeps outcomes, or none of them; of the same answer, the last that is told holds.

        An answer that was kept anew by the same id takes the place of the one before.
        """
        last = {each.answer_id: each for each in outcomes}
        with self._database.writing() as session:
            told = _rows(session, list(last.values()))
            rows = {
                name: {**row, "option": each.option}
                for (name, each), row in zip(last.items(), told, strict=True)
            }
            known = _known(session, list(last))
            now = datetime.now(UTC)
            fresh = [{**rows[name], "recorded_at": now} for name in rows if name not in known]
            _insert(session, OutcomeRow, fresh)
            changed = {
                name: before
                for name, before in known.items()
                if any(rows[name][column] != value for column, value in before.items())
            }
            for name in changed:
                row = update(OutcomeRow).filter_by(answer_id=name)
                session.execute(row.values(rows[name]))
            calibrators = {last[name].calibrator for name in changed}
            calibrators |= {before["calibrator_id"] for before in changed.values()}
            _note_corrections(session, calibrators)
        new = len(fresh)
        return Recorded(new, len(changed), len(outcomes) - new - len(changed))

    def keep(self, answers: Sequence[Outcome]) -> None:
        """Keeps answers whose outcomes nobody knows yet; of the same one the last holds."""
        last = {each.answer_id: each for each in answers}
        with self._database.writing() as session:
            for some in _parts(list(last)):
                session.execute(delete(AnswerRow).where(AnswerRow.answer_id.in_(some)))
            _insert(session, AnswerRow, _rows(session, list(last.values())))

    def answers(self, names: Sequence[bytes]) -> dict[bytes, Outcome]:
        """Those of the answers that are kept, by their ids."""
        with self._database.reading() as session:
            return {
                bytes(row.answer_id): _answer(row)
                for some in _parts(names)
                for row in session.scalars(select(AnswerRow).where(AnswerRow.answer_id.in_(some)))
            }

    def of_calibrator(
        self, calibrator: str, *, after: int = 0, at_most: int | None = None
    ) -> list[Kept]:
        """The outcomes of a calibrator's answers, in the order of the first word of each.

        Those after a position, and the first of them, where told.
        """
        query = _kept(calibrator, after).order_by(OutcomeRow.position).limit(at_most)
        with self._database.reading() as session:
            return [Kept(*row) for row in session.execute(query)]

    def newest(
        self, calibrator: str, at_most: int, *, after: int = 0, known: bool = True
    ) -> list[Kept]:
        """The last of them in the same order: with ``known``, of those with a right option."""
        query = _kept(calibrator, after)
        if known:
            query = query.where(OutcomeRow.option.is_not(None))
        query = query.order_by(OutcomeRow.position.desc()).limit(at_most)
        with self._database.reading() as session:
            return [Kept(*row) for row in session.execute(query)][::-1]

    def told_of(self, after: int) -> dict[str, int]:
        """The calibrators that have outcomes after a position, and where each one's last is."""
        query = select(OutcomeRow.calibrator_id, func.max(OutcomeRow.position))
        query = query.where(OutcomeRow.position > after).group_by(OutcomeRow.calibrator_id)
        with self._database.reading() as session:
            return {each: last for each, last in session.execute(query)}  # noqa: C416 (rows)

    def last(self) -> int:
        """Where the last of all outcomes is; 0 where there are none."""
        with self._database.reading() as session:
            return session.scalar(select(func.max(OutcomeRow.position))) or 0

    def corrections(self) -> dict[str, int]:
        """How often outcomes were corrected, by calibrator; of others they never were."""
        query = select(CorrectionsRow.calibrator_id, CorrectionsRow.number)
        with self._database.reading() as session:
            return {each: number for each, number in session.execute(query)}  # noqa: C416 (rows)

    def prune(self, *, keep: timedelta, at_most: int) -> int:
        """Forgets some outcomes that were told longer ago than ``keep``; where there are none, some
        of the oldest, while there are more than ``at_most``. How many: 0 where all is done.

        A tenant whose own are no more than an equal share loses none of these to others' many.
        """
        return self._prune(OutcomeRow, OutcomeRow.recorded_at, keep, at_most)

    def prune_answers(self, *, keep: timedelta, at_most: int) -> int:
        """The same of answers that wait, by when they were given."""
        return self._prune(AnswerRow, AnswerRow.answered_at, keep, at_most)

    def _prune(
        self,
        table: type[OutcomeRow] | type[AnswerRow],
        moment: InstrumentedAttribute[datetime],
        keep: timedelta,
        at_most: int,
    ) -> int:
        with self._database.reading() as session:
            old = select(table.position).where(moment < datetime.now(UTC) - keep)
            doomed = session.scalars(old.limit(_MOST_PRUNED)).all()
            doomed = doomed or _beyond_share(session, table, at_most)
        # Others write in between.
        for some in _parts(doomed):
            with self._database.writing() as session:
                session.execute(delete(table).where(table.position.in_(some)))
        return len(doomed)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()


def equal_share(numbers: Iterable[int], at_most: int) -> int:
    """How many each may have at most, so that all together have no more than ``at_most``: what some
    do not need of it is shared by the others.
    """
    wanted = sorted(numbers)
    for place, number in enumerate(wanted):
        share = at_most // (len(wanted) - place)
        if number > share:
            return share
        at_most -= number
    return max(wanted, default=0)


def _beyond_share(
    session: Session, table: type[OutcomeRow] | type[AnswerRow], at_most: int
) -> Sequence[int]:
    """The positions of some that are too many."""
    counted = select(ScopeRow.tenant, func.count()).join_from(table, ScopeRow)
    rows = session.execute(counted.group_by(ScopeRow.tenant)).all()
    numbers = [number for _, number in rows]
    if sum(numbers) <= at_most:
        return ()
    place = func.row_number().over(partition_by=ScopeRow.tenant, order_by=table.position.desc())
    newest_first = select(table.position, place.label("place")).join_from(table, ScopeRow)
    placed = newest_first.subquery()
    beyond = select(placed.c.position).where(placed.c.place > equal_share(numbers, at_most))
    return session.scalars(beyond.limit(_MOST_PRUNED)).all()


def _kept(calibrator: str, after: int) -> Select[Any]:
    columns = (getattr(OutcomeRow, name) for name in Kept._fields)
    query = select(*columns).filter_by(calibrator_id=calibrator)
    return query.where(OutcomeRow.position > after)


def _note_corrections(session: Session, calibrators: Set[str]) -> None:
    for name in sorted(calibrators):
        row = session.get(CorrectionsRow, name)
        if row is None:
            row = CorrectionsRow(calibrator_id=name, number=0)
            session.add(row)
        row.number += 1


def _known(session: Session, names: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
    """What is told of each answer that has an outcome already, by its columns."""
    answer = OutcomeRow.answer_id
    columns = [getattr(OutcomeRow, column) for column in _TOLD]
    return {
        bytes(name): dict(zip(_TOLD, values, strict=True))
        for some in _parts(names)
        for name, *values in session.execute(select(answer, *columns).where(answer.in_(some)))
    }


def _parts(all_of: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(all_of), _AT_ONCE):
        yield all_of[start : start + _AT_ONCE]


def _insert(
    session: Session, table: type[OutcomeRow] | type[AnswerRow], rows: Sequence[dict[str, object]]
) -> None:
    for some in _parts(rows):
        session.execute(insert(table), some)


def _scope_id(session: Session, scope: Scope, found: dict[Scope, int]) -> int:
    if scope not in found:
        row = find_scope(session, scope)
        if row is None:
            row = scope_row(scope)
            session.add(row)
            session.flush()
        found[scope] = row.id
    return found[scope]


def _rows(session: Session, answers: Sequence[Outcome]) -> list[dict[str, object]]:
    """What is kept of answers, whether their outcomes are known or not."""
    scopes: dict[Scope, int] = {}
    return [
        {
            "answer_id": each.answer_id,
            "scope_id": _scope_id(session, each.scope, scopes),
            "calibrator_id": each.calibrator,
            "choice": each.choice,
            "probabilities": each.probabilities,
            "calibrated": each.calibrated,
            "answered_at": each.answered_at,
        }
        for each in answers
    ]


def _answer(row: AnswerRow) -> Outcome:
    return Outcome(
        answer_id=bytes(row.answer_id),
        scope=scope_record(row.scope),
        calibrator=row.calibrator_id,
        choice=row.choice,
        option=None,
        probabilities=bytes(row.probabilities),
        calibrated=bytes(row.calibrated),
        answered_at=row.answered_at,
    )
