"""What a database's error means: whether it may pass by itself, and in which words it is told."""

import errno
import re
import sqlite3

from sqlalchemy import exc as sql_errors

from trueodds_service.store.dialects.refusal import refusal_state
from trueodds_service.store.errors import StoreError, StoreUnavailable

_SQLITE_PASSES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_INTERRUPT,
}

# SQLSTATEs, or their classes (PostgreSQL's manual, appendix A): lost connections, transactions in
# each other's way, and what an operator does; memory, connections, disk errors, locks, pauses; and
# a server that only reads, as one does from which another takes over.
_STATES_PASS = ("08", "40", "57", "53200", "53300", "58030", "55P03", "25P03", "25P04", "25006")

# Where no connection comes about there is no SQLSTATE: libpq hands on words alone, in the server's
# language. Those of the server begin with FATAL, or with that in its language.
_CANNOT_CONNECT_NOW = "57P03"
_WORDS_PASS = re.compile(
    "Temporary failure|starting up|shutting down|not yet accepting|recovery|too many|"
    "remaining connection slots"
)
_WORDS_STAY = re.compile(
    "FATAL: |failed to resolve|could not translate|no password supplied|does not support SSL|"
    "certificate|invalid|authentication method"
)

_SYSTEM_STAYS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def of_database(error: sql_errors.DBAPIError) -> StoreError:
    """The store's error for one that a driver has raised, and SQLAlchemy wrapped."""
    driver = error.orig
    if isinstance(driver, sqlite3.Error):
        return of_sqlite(driver)
    state = getattr(driver, "sqlstate", None)
    if state is not None:
        # Only this of its message: the rest quotes statements and values.
        said = getattr(getattr(driver, "diag", None), "message_primary", None) or f"error {state}"
        return _error(state.startswith(_STATES_PASS), f"the database refused: {said}")
    words = _one_line(driver)
    if not isinstance(error, sql_errors.OperationalError | sql_errors.InterfaceError):
        return _error(False, f"the database refused: {words}")
    passes = bool(_WORDS_PASS.search(words)) or not _WORDS_STAY.search(words)
    passes = passes or refusal_state(driver) == _CANNOT_CONNECT_NOW
    _, is_servers, said = words.rpartition("FATAL: ")
    what = "the database refused" if is_servers else "the database cannot be reached"
    return _error(passes, f"{what}: {said.strip()}")


def of_sqlite(error: sqlite3.Error) -> StoreError:
    """The store's error for one of SQLite's."""
    # Its low byte is the kind, the rest the details.
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _error(kind in _SQLITE_PASSES, f"the database refused: {_one_line(error)}")


def of_system(error: OSError) -> StoreError:
    """The store's error for one of the operating system."""
    passes = error.errno not in _SYSTEM_STAYS
    return _error(passes, f"the database cannot be reached: {error}")


def _error(passes: bool, message: str) -> StoreError:
    return StoreUnavailable(message) if passes else StoreError(message)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())
