"""The store in a SQL database."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, load_only

from trueodds_service.caller import current
from trueodds_service.store import activations
from trueodds_service.store.audit import Action, note
from trueodds_service.store.base import CalibratorStore
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.convert import (
    activation_record,
    calibrator_record,
    calibrator_row,
    fit_request_row,
    scope_row,
)
from trueodds_service.store.database import Database
from trueodds_service.store.errors import (
    BadPageToken,
    CalibratorNotFound,
    NotActive,
    NothingActive,
    RequestReused,
    StillActive,
    StoreCorrupt,
    TooManyCalibrators,
)
from trueodds_service.store.paging import make_token, read_token
from trueodds_service.store.records import Activation, Damaged, FitRequest, Scope, calibrator_name
from trueodds_service.store.salvage import read_all
from trueodds_service.store.tables import (
    ActivationRow,
    CalibratorRow,
    ClockRow,
    FitRequestRow,
    ScopeRow,
)
from trueodds_service.store.views import Mark, Page, Snapshot

# Records that one query asks for by their positions.
_AT_ONCE = 500


class SqlCalibratorStore(CalibratorStore):
    """Calibrators in SQLite or PostgreSQL; ``upgrade(url)`` has to come first.

    Every method is one transaction. The contract of each is in ``base.py``.
    """

    def __init__(self, url: str, max_calibrators: int | None = None) -> None:
        """Connects at the first call. A tenant has at most ``max_calibrators``, deleted ones aside.

        Raises:
            StoreError: the URL cannot be read, or names no kind of database that is known.
        """
        self._database = Database(url)
        self._most = max_calibrators

    def put(
        self, calibrator: Calibrator, *, activate: bool = False, request: FitRequest | None = None
    ) -> Calibrator:
        if calibrator.scope.tenant != current().tenant:
            raise ValueError("the calibrator is of another tenant than its caller")
        with self._database.writing() as session:
            if request is not None and (answered := _fitted_by(session, request)):
                return calibrator_record(answered)
            row = session.scalars(select(CalibratorRow).filter_by(id=calibrator.id)).one_or_none()
            if row is None or row.deleted:
                self._check_room(session)
            if row is None:
                scope = activations.find_scope(session, calibrator.scope)
                row = calibrator_row(calibrator, scope or scope_row(calibrator.scope))
                session.add(row)
            row.deleted = False
            session.flush()
            note(session, Action.FIT, calibrator.name)
            if request is not None:
                session.add(fit_request_row(request, row))
            if activate:
                _push(session, row)
            return calibrator_record(row)

    def check_room(self) -> None:
        with self._database.reading() as session:
            self._check_room(session)

    def _check_room(self, session: Session) -> None:
        if self._most is None:
            return
        own = select(CalibratorRow.position).join(ScopeRow)
        own = own.where(ScopeRow.tenant == current().tenant, CalibratorRow.deleted.is_(False))
        if session.scalar(own.offset(self._most - 1).limit(1)) is not None:
            raise TooManyCalibrators(f"the tenant has {self._most} calibrators")

    def fitted_by(self, request: FitRequest) -> Calibrator | None:
        with self._database.reading() as session:
            row = _fitted_by(session, request)
            return None if row is None else calibrator_record(row)

    def get(self, model: str, calibrator_id: str) -> Calibrator:
        return _whole(self.find(model, calibrator_id))

    def find(self, model: str, calibrator_id: str) -> Calibrator | Damaged:
        with self._database.reading() as session:
            return _record(session, model, calibrator_id)

    def list(
        self, model: str, *, task: str | None = None, page_size: int, page_token: str = ""
    ) -> Page:
        if page_size < 1:
            raise ValueError(f"page_size is {page_size}, below 1")
        query = select(CalibratorRow).where(
            CalibratorRow.scope.has(
                (ScopeRow.model == model) & (ScopeRow.tenant == current().tenant)
            ),
            CalibratorRow.deleted.is_(False),
        )
        if task is not None:
            query = query.where(CalibratorRow.scope.has(ScopeRow.task == task))
        last_id = read_token(page_token, model, task) if page_token else None
        # One more than the page holds tells whether there is a next page.
        query = query.order_by(CalibratorRow.position.desc()).limit(page_size + 1)
        with self._database.reading() as session:
            if last_id is not None:
                query = query.where(CalibratorRow.position < _position(session, last_id))
            found = read_all(session, query)
        page = found[:page_size]
        more = len(found) > page_size
        token = make_token(model, task, page[-1].record.id) if more else ""
        return Page(
            [each.record for each in page if isinstance(each.record, Calibrator)],
            token,
            tuple(each.record for each in page if isinstance(each.record, Damaged)),
        )

    def delete(self, model: str, calibrator_id: str) -> None:
        with self._database.writing() as session:
            row = _find(session, model, calibrator_id)
            newest = activations.in_force(session, row.scope)
            if newest is not None and newest.calibrator_id == row.id:
                raise StillActive(f"{calibrator_name(model, calibrator_id)} is active")
            row.deleted = True
            note(session, Action.DELETE, _name(row))
            session.execute(delete(FitRequestRow).filter_by(calibrator_id=row.id))

    def activate(
        self, model: str, calibrator_id: str, *, expected_id: str | None = None
    ) -> Activation:
        with self._database.writing() as session:
            calibrator = _find(session, model, calibrator_id)
            if expected_id is not None:
                newest = activations.in_force(session, calibrator.scope)
                if newest is None or newest.calibrator_id != expected_id:
                    raise NotActive(f"calibrator {expected_id} is not active")
            return activation_record(_push(session, calibrator))

    def rollback(self, scope: Scope, *, expected_id: str | None = None) -> Activation | None:
        with self._database.writing() as session:
            scope_of = _own_scope(session, scope)
            if scope_of is None:
                raise NothingActive(f"nothing is active for {scope.model}, task {scope.task!r}")
            row = _pop(session, scope_of, expected_id)
            return activation_record(row) if row.calibrator_id is not None else None

    def active(self, scope: Scope) -> Calibrator | None:
        with self._database.reading() as session:
            scope_of = _own_scope(session, scope)
            newest = activations.in_force(session, scope_of) if scope_of else None
            if newest is None or newest.calibrator_id is None:
                return None
            return _whole(_record(session, scope.model, newest.calibrator_id))

    def history(self, scope: Scope) -> Sequence[Activation]:
        with self._database.reading() as session:
            scope_of = _own_scope(session, scope)
            if scope_of is None:
                return []
            query = select(ActivationRow).filter_by(scope_id=scope_of.id)
            rows = session.scalars(query.order_by(ActivationRow.sequence))
            return [activation_record(row) for row in rows]

    def version(self) -> int:
        with self._database.reading() as session:
            return _version(session)

    def mark(self) -> Mark:
        with self._database.reading() as session:
            return _mark(session)

    def snapshot(self, before: Snapshot | None = None) -> Snapshot:
        newest = select(func.max(ActivationRow.sequence)).group_by(ActivationRow.scope_id)
        query = (
            select(CalibratorRow.position, CalibratorRow.id)
            .join(ActivationRow, ActivationRow.calibrator_id == CalibratorRow.id)
            .where(ActivationRow.sequence.in_(newest))
        )
        known = {} if before is None else {each.id: each for each in before.active.values()}
        records: list[Calibrator | Damaged] = []
        unknown = []
        with self._database.reading() as session:
            version, since = _mark(session)
            for position, name in session.execute(query):
                if (calibrator := known.get(name)) is not None:
                    records.append(calibrator)
                else:
                    unknown.append(position)
            for start in range(0, len(unknown), _AT_ONCE):
                some = unknown[start : start + _AT_ONCE]
                rows = select(CalibratorRow).where(CalibratorRow.position.in_(some))
                records += (each.record for each in read_all(session, rows))
        return Snapshot(
            version,
            {each.scope: each for each in records if isinstance(each, Calibrator)},
            {each.scope: each.id for each in records if isinstance(each, Damaged)},
            since,
        )

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()


def _is_own(scope: Scope | ScopeRow) -> bool:
    return scope.tenant == current().tenant


def _own_scope(session: Session, scope: Scope) -> ScopeRow | None:
    return activations.find_scope(session, scope) if _is_own(scope) else None


def _push(session: Session, calibrator: CalibratorRow) -> ActivationRow:
    """Activates, and adds an audit entry if that changes anything."""
    before = activations.in_force(session, calibrator.scope)
    row = activations.push(session, calibrator)
    if row is not before:
        note(session, Action.ACTIVATE, _name(calibrator))
    return row


def _pop(session: Session, scope: ScopeRow, expected_id: str | None) -> ActivationRow:
    """Takes back; what was active till then is noted."""
    before = activations.in_force(session, scope)
    row = activations.pop(session, scope, expected_id)
    if before is not None:
        note(session, Action.ROLL_BACK, f"models/{scope.model}/calibrators/{before.calibrator_id}")
    return row


def _name(row: CalibratorRow) -> str:
    """As ``Calibrator.name``; the rest of the row may be damaged."""
    return calibrator_name(row.scope.model, row.id)


def _record(session: Session, model: str, calibrator_id: str) -> Calibrator | Damaged:
    row = _find(session, model, calibrator_id)
    [found] = read_all(session, select(CalibratorRow).filter_by(position=row.position))
    return found.record


def _whole(record: Calibrator | Damaged) -> Calibrator:
    if isinstance(record, Damaged):
        raise StoreCorrupt(f"calibrator {record.id} is damaged")
    return record


def _find(session: Session, model: str, calibrator_id: str) -> CalibratorRow:
    """The row with the columns that name it; the others are not read, for they may be damaged."""
    naming = (CalibratorRow.id, CalibratorRow.scope_id, CalibratorRow.deleted)
    query = select(CalibratorRow).filter_by(id=calibrator_id).options(load_only(*naming))
    row = session.scalars(query).one_or_none()
    if row is None or row.deleted or not _is_own(row.scope) or row.scope.model != model:
        raise CalibratorNotFound(f"{calibrator_name(model, calibrator_id)} does not exist")
    return row


def _position(session: Session, calibrator_id: str) -> int:
    """The place of one that a page ended with; also of one that was deleted since."""
    own = CalibratorRow.scope.has(ScopeRow.tenant == current().tenant)
    query = select(CalibratorRow.position).filter_by(id=calibrator_id).where(own)
    position = session.scalar(query)
    if position is None:
        raise BadPageToken("the page token is of no listing here")
    return position


def _fitted_by(session: Session, request: FitRequest) -> CalibratorRow | None:
    key = {"id": request.id, "tenant": current().tenant}
    row = session.get(FitRequestRow, key)
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise RequestReused(f"request {request.id} asked for something else")
    return session.scalars(select(CalibratorRow).filter_by(id=row.calibrator_id)).one()


def _mark(session: Session) -> Mark:
    newest = ActivationRow.sequence == ClockRow.version
    query = select(ClockRow.version, ActivationRow.created_at).outerjoin(ActivationRow, newest)
    version, since = session.execute(query).one()
    return Mark(version, since)


def _version(session: Session) -> int:
    return session.scalars(select(ClockRow.version)).one()
