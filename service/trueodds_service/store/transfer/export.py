"""Out of a database, at one moment and whatever is written meanwhile."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from trueodds_service.store.convert import activation_record, calibrator_record
from trueodds_service.store.database import Database
from trueodds_service.store.probe import check_current
from trueodds_service.store.records import FitRequest
from trueodds_service.store.tables import ActivationRow, CalibratorRow, FitRequestRow
from trueodds_service.store.transfer import file
from trueodds_service.store.transfer.archive import Archive, KeptCalibrator, KeptRequest, Numbers


def export_store(url: str, path: Path) -> tuple[Numbers, str]:
    """Writes all that a store keeps to a new file; how many of each, and the content's SHA-256.

    Raises:
        StoreCorrupt: a record is damaged: what is left of it can be no part of the file.
        StoreError: there is no such store, or the file cannot be written.
    """
    check_current(url)
    database = Database(url)
    try:
        with database.reading() as session:
            archive = _archive(session)
    finally:
        database.close()
    return archive.numbers, file.write(archive, path)


def _archive(session: Session) -> Archive:
    calibrators = session.scalars(select(CalibratorRow).order_by(CalibratorRow.position)).all()
    activations = session.scalars(select(ActivationRow).order_by(ActivationRow.sequence)).all()
    by_name = (FitRequestRow.tenant, FitRequestRow.id)
    requests = session.scalars(select(FitRequestRow).order_by(*by_name)).all()
    return Archive(
        tuple(KeptCalibrator(calibrator_record(each), each.deleted) for each in calibrators),
        tuple(map(activation_record, activations)),
        tuple(
            KeptRequest(
                FitRequest(each.id, each.fingerprint),
                each.calibrator_id,
                each.created_at,
                each.tenant,
            )
            for each in requests
        ),
    )
