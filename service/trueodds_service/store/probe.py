"""Whether a store could be opened and written, found out without leaving a trace in it."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url

from trueodds_service.store.database import open_engine, translated
from trueodds_service.store.dialects import postgres, sqlite
from trueodds_service.store.errors import StoreError
from trueodds_service.store.tables import Row
from trueodds_service.store.upgrade import check_revision, has_tables, upgrade

# As much as some hundred calibrators: a disk with less left is as good as full.
_ROOM_BYTES = 2**20


def probe(url: str) -> None:
    """Raises StoreError, with the reason, where ``upgrade`` or a write would fail.

    Creates and migrates nothing.
    """
    with translated():
        engine = open_engine(url)
        try:
            if engine.dialect.name == "sqlite":
                _probe_file(engine)
            else:
                with engine.connect() as connection:
                    _probe_server(connection)
        finally:
            engine.dispose()


def exists(url: str) -> bool:
    """Whether there is a database at all; looking at a file of SQLite would create one."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return True
    return sqlite.database_file(parsed).exists()


def check_current(url: str) -> None:
    """Raises StoreError where there is no store, or one of another version of the service."""
    is_current = _asked(url, check_revision)
    if is_current is None:
        raise StoreError("there is no store yet")
    if not is_current:
        raise StoreError("the tables are not those of this version: `trueodds serve` makes them so")


def make_if_new(url: str) -> None:
    """Makes the tables of a store that no service has made yet.

    One of an older version is left to a service of this one, which upgrades it when it starts:
    those that run have to be stopped before. Raises StoreError, as ``probe`` and ``check_current``.
    """
    probe(url)
    if _asked(url, has_tables):
        check_current(url)
    else:
        upgrade(url)


def _asked(url: str, question: Callable[[Connection], bool]) -> bool | None:
    """The answer of the database; None where there is none."""
    with translated():
        engine = open_engine(url)
        try:
            if not exists(url):
                return None
            with engine.connect() as connection:
                return question(connection)
        finally:
            engine.dispose()


def _probe_server(connection: Connection) -> None:
    is_current = check_revision(connection)
    tables = [table.name for table in Row.metadata.sorted_tables]
    postgres.check_privileges(connection, tables, is_current=is_current)


def _probe_file(engine: Engine) -> None:
    file = sqlite.database_file(engine.url).absolute()
    _probe_room(next(parent for parent in file.parents if parent.exists()))
    if not file.exists():
        return
    writes = engine.execution_options(**sqlite.WRITING)
    with writes.connect() as connection:
        check_revision(connection)
        # Undone with the transaction. SQLite opens what it may not write, and says so only here.
        connection.exec_driver_sql("CREATE TABLE trueodds_probe (x)")
        connection.rollback()


def _probe_room(folder: Path) -> None:
    """Writes as much beside the database as it will need."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
