"""Out of a database, at one moment and whatever is written meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.convert import activation_record
from trueodds_service.store.database import Database
from trueodds_service.store.probe import check_current
from trueodds_service.store.records import Activation, Damaged, FitRequest, Scope
from trueodds_service.store.salvage import read_all
from trueodds_service.store.tables import ActivationRow, CalibratorRow, FitRequestRow
from trueodds_service.store.transfer import file
from trueodds_service.store.transfer.archive import Archive, KeptCalibrator, KeptRequest, Numbers


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds, the SHA-256 of its content, and the records that are damaged.

    Those are no part of the file, nor are the histories of their scopes: what answers there would
    be another calibrator.
    """

    numbers: Numbers
    sha256: str
    damaged: tuple[Damaged, ...]


def export_store(url: str, path: Path) -> Exported:
    """Writes all that a store keeps to a new file.

    Raises:
        StoreError: there is no such store, or the file cannot be written.
    """
    check_current(url)
    database = Database(url)
    try:
        with database.reading() as session:
            archive, damaged = _archive(session)
    finally:
        database.close()
    return Exported(archive.numbers, file.write(archive, path), damaged)


def _archive(session: Session) -> tuple[Archive, tuple[Damaged, ...]]:
    found = read_all(session, select(CalibratorRow).order_by(CalibratorRow.position))
    deleted = {*session.scalars(select(CalibratorRow.position).where(CalibratorRow.deleted))}
    damaged = tuple(each.record for each in found if isinstance(each.record, Damaged))
    archive = Archive(
        tuple(
            KeptCalibrator(each.record, each.position in deleted)
            for each in found
            if isinstance(each.record, Calibrator)
        ),
        tuple(_activations(session, {each.scope for each in damaged})),
        tuple(_requests(session, {each.id for each in damaged})),
    )
    return archive, damaged


def _activations(session: Session, without: set[Scope]) -> Iterator[Activation]:
    for row in session.scalars(select(ActivationRow).order_by(ActivationRow.sequence)):
        activation = activation_record(row)
        if activation.scope not in without:
            yield activation


def _requests(session: Session, without: set[str]) -> Iterator[KeptRequest]:
    by_name = select(FitRequestRow).order_by(FitRequestRow.tenant, FitRequestRow.id)
    for row in session.scalars(by_name):
        if row.calibrator_id not in without:
            request = FitRequest(row.id, row.fingerprint)
            yield KeptRequest(request, row.calibrator_id, row.created_at, row.tenant)
