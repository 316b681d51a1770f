"""What SQLite needs so that nothing accepted is lost and no writer is turned away."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from trueodds_service.store.dialects import WRITES
from trueodds_service.store.errors import StoreError

POOL: Mapping[str, Any] = MappingProxyType({})
# All statements of a transaction see the same state, whatever it does.
READING: Mapping[str, Any] = MappingProxyType({})
WRITING: Mapping[str, Any] = MappingProxyType({WRITES: True})

_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",  # a writer waits for its turn, milliseconds
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns, in WAL mode too
    "PRAGMA foreign_keys = ON",
)


def database_file(url: URL) -> Path:
    """The file of a SQLite URL.

    Raises:
        StoreError: the URL names no file: each connection would have a database of its own.
    """
    if url.database in (None, "", ":memory:") or url.query:
        raise StoreError(f"{url} is not a plain file: the store needs sqlite:///path/to/file.db")
    return Path(str(url.database))


def usable(url: URL) -> URL:
    """The URL as the store needs it. Raises StoreError where it names no file."""
    database_file(url)
    return url


def connecting(url: URL) -> Mapping[str, Any]:
    """Arguments of the driver's connect."""
    return {}


def configure(engine: Engine) -> None:
    """Set up every connection of the engine, and let SQLAlchemy alone begin transactions.

    The driver itself would begin one only at the first write, too late for the reads before it
    to be part of the transaction.
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A reader that turns writer can fail with "database is locked" whatever the busy
        # timeout, so a transaction that will write takes the lock at its start.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def prepared_file(engine: Engine) -> Iterator[None]:
    """Create the folder, and the file for this user alone, switch it to WAL, and keep other
    processes out meanwhile.

    The switch is not covered by the busy timeout, so it happens here only, under a lock on the
    folder that the system releases even if the process dies. WAL is kept in the file.

    Raises:
        OSError: the folder cannot be made or locked.
        StoreError: the file system cannot do WAL.
    """
    file = database_file(engine.url).absolute()
    folder = file.parent
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # It holds the key of receipts and hashes of keys. Files that SQLite adds are as this one.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        _switch_to_wal(engine)
        yield
    finally:
        os.close(descriptor)


def _switch_to_wal(engine: Engine) -> None:
    # Below SQLAlchemy, because the journal mode cannot change inside a transaction.
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        (mode,) = cursor.fetchone() or ("unknown",)
        cursor.close()
    finally:
        connection.close()
    if mode != "wal":
        raise StoreError(f"{engine.url} stays in journal mode {mode}: its file system lacks WAL")
