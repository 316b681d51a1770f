"""A database by its URL: transactions that read, transactions that write, and errors."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType, ModuleType

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy import exc as sql_errors
from sqlalchemy.orm import Session

from trueodds_service.store.dialects import faults, postgres, sqlite
from trueodds_service.store.errors import StoreCorrupt, StoreError, StoreUnavailable
from trueodds_service.store.tables import CLOCK_ID, ClockRow

_DIALECTS: Mapping[str, ModuleType] = MappingProxyType({"sqlite": sqlite, "postgresql": postgres})

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
        dialect = _DIALECTS[self._engine.dialect.name]
        self._reads = self._engine.execution_options(**dialect.READING)
        self._writes = self._engine.execution_options(**dialect.WRITING)

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
    if kind not in _DIALECTS:
        raise StoreError(f"the store keeps its records in {' or '.join(_DIALECTS)}, not in {kind}")
    dialect = _DIALECTS[kind]
    parsed = dialect.usable(parsed)
    try:
        engine = create_engine(
            parsed,
            # A connection that the server has closed meanwhile is replaced, not handed out.
            pool_pre_ping=True,
            connect_args=dialect.connecting(parsed),
            **dialect.POOL,
        )
    except ImportError as error:
        raise StoreError(
            f"the driver for {kind}, {error.name or error}, is not installed: pip install "
            "'trueodds-service[postgres]'"
        ) from error
    dialect.configure(engine)
    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors, and the system's, into the store's; the cause is kept."""
    try:
        yield
    except StoreError:  # of which one is a ValueError as well
        raise
    except sql_errors.DBAPIError as error:
        # The driver's own words: SQLAlchemy's would put the statement's values into logs.
        raise faults.of_database(error) from error
    except sqlite3.Error as error:
        # While a connection is set up, SQLAlchemy does not wrap the driver's errors.
        raise faults.of_sqlite(error) from error
    except ValueError as error:  # a column that does not hold what its type says
        raise StoreCorrupt(f"a stored record is damaged: {error}") from error
    except OSError as error:
        raise faults.of_system(error) from error
    except sql_errors.TimeoutError as error:
        raise StoreUnavailable(f"the database cannot be reached: {error}") from error
    except sql_errors.StatementError as error:
        # Its own words hold the statement's values.
        why = type(error.orig).__name__
        raise StoreError(f"the database cannot take a value ({why})") from error
    except sql_errors.SQLAlchemyError as error:
        raise StoreError(f"the database cannot be used: {error}") from error
