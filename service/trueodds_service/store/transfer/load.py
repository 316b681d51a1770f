"""Into a database: one transaction, which a second time changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from trueodds_service.store.audit import Action, note
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.database import Database
from trueodds_service.store.errors import BadArchive
from trueodds_service.store.probe import check_current, exists, make_if_new, probe
from trueodds_service.store.records import FitRequest
from trueodds_service.store.transfer import file
from trueodds_service.store.transfer.archive import Archive, Numbers
from trueodds_service.store.transfer.merge import merge


class _DryRun(Exception):
    """Ends a transaction that is to leave nothing."""


def import_store(
    url: str, path: Path, check: Callable[[Calibrator | FitRequest], None], *, dry_run: bool = False
) -> tuple[Numbers, Numbers]:
    """Adds what a file holds to a store; what was new, and all that the file holds.

    ``check`` raises ValueError at a record that is not to be kept: its reason. ``dry_run`` does
    everything but keep it.

    Raises:
        BadArchive: the file is cut off, altered, or none of a store, or fails the check.
        Contradiction: the store knows otherwise; nothing was changed.
        StoreError: the store cannot be opened, upgraded or written.
    """
    archive = file.read(path)
    for name, record in _records(archive):
        try:
            check(record)
        except ValueError as error:
            raise BadArchive(f"{path}, {name}: {error}") from error
    if not dry_run:
        make_if_new(url)
    elif not exists(url):
        probe(url)
        return archive.numbers, archive.numbers
    else:
        check_current(url)
    return _merged(url, archive, dry_run), archive.numbers


def _records(archive: Archive) -> Iterator[tuple[str, Calibrator | FitRequest]]:
    """What is to be used again, by what messages call it: deleted calibrators never are."""
    for kept in archive.calibrators:
        if not kept.deleted:
            yield f"calibrator {kept.calibrator.id}", kept.calibrator
    for asked in archive.requests:
        yield f"request {asked.request.id!r}", asked.request


def _merged(url: str, archive: Archive, dry_run: bool) -> Numbers:
    database = Database(url)
    new = Numbers()

    def write(session: Session) -> None:
        nonlocal new
        new = merge(session, archive)
        if new != Numbers():
            note(session, Action.IMPORT, str(new))
        session.flush()
        if dry_run:
            raise _DryRun

    try:
        with database.writing() as session:
            write(session)
    except _DryRun:
        pass
    finally:
        database.close()
    return new
