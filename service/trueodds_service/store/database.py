"""A database by its URL: transactions that read, transactions that write, and errors."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy import exc as sql_errors
from sqlalchemy.orm import Session

from trueodds_service.store import sqlite
from trueodds_service.store.errors import StoreCorrupt, StoreError, StoreUnavailable
from trueodds_service.store.tables import CLOCK_ID, ClockRow

# What makes all statements of a reading transaction see the same state. SQLite's always do.
_READS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"sqlite": {}, "postgresql": {"isolation_level": "REPEATABLE READ"}}
)

# A host that does not answer is given up on; how long SQLite waits, its module says.
_CONNECTING: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"sqlite": {}, "postgresql": {"connect_timeout": 10}}
)

_URLS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


class Database:
    """Sessions on one database. Safe to share between threads, not across a fork."""

    def __init__(self, url: str) -> None:
        """Connects at the first use.

        Raises:
            StoreError: the URL cannot be read, or names no kind of database that is known.
        """
        with translated():
            self._engine = open_engine(url)
        self._reads = self._engine.execution_options(**_READS[self._engine.dialect.name])
        self._writes = self._engine.execution_options(**{sqlite.WRITES: True})

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction whose statements all see one state of the database."""
        with translated(), Session(self._reads) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The one transaction that may write now: it waits for others, and they for it.

        Committed at the end; rolled back by an exception.
        """
        with translated(), Session(self._writes) as session, session.begin():
            session.get_one(ClockRow, CLOCK_ID, with_for_update=True)
            yield session

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()


def open_engine(url: str) -> Engine:
    """An engine for a URL, with what its kind of database needs.

    Raises:
        StoreError: the store knows no such kind of database.
        StoreError: the URL cannot be read, or the store has no driver for it.
    """
    try:
        parsed = make_url(url)
    except (sql_errors.ArgumentError, ValueError) as error:
        raise StoreError(f"its URL cannot be read; it looks like {_URLS}") from error
    kind = parsed.get_backend_name()
    if kind == "postgres":
        raise StoreError("in its URL postgres:// has to be postgresql://, the dialect's name")
    if kind not in _READS:
        raise StoreError(f"the store keeps its records in {' or '.join(_READS)}, not in {kind}")
    if kind == "sqlite":
        sqlite.database_file(parsed)
    # A connection that the server has closed meanwhile is replaced, not handed out.
    try:
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=_CONNECTING[kind])
    except ModuleNotFoundError as error:
        raise StoreError(f"the driver for {kind}, {error.name}, is not installed") from error
    if kind == "sqlite":
        sqlite.configure(engine)
    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors, and the system's, into the store's; the cause is kept."""
    try:
        yield
    except sql_errors.DBAPIError as error:
        # The driver's own words: SQLAlchemy's would put the statement's values into logs.
        kind = StoreUnavailable if _may_pass(error) else StoreError
        raise kind(f"the database refused: {error.orig}") from error
    except sqlite3.Error as error:
        # While a connection is set up, SQLAlchemy does not wrap the driver's errors.
        kind = StoreUnavailable if isinstance(error, sqlite3.OperationalError) else StoreError
        raise kind(f"the database refused: {error}") from error
    except ValueError as error:  # a column that does not hold what its type says
        raise StoreCorrupt(f"a stored record is damaged: {error}") from error
    except (sql_errors.TimeoutError, OSError) as error:
        raise StoreUnavailable(f"the database cannot be reached: {error}") from error
    except sql_errors.SQLAlchemyError as error:
        raise StoreError(f"the database cannot be used: {error}") from error


def _may_pass(error: sql_errors.DBAPIError) -> bool:
    return isinstance(error, sql_errors.OperationalError | sql_errors.InterfaceError)
