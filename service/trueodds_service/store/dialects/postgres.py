"""What PostgreSQL needs so that nothing accepted is lost and nobody waits for ever."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, event, func, select, text

from trueodds_service.store.dialects import WRITES
from trueodds_service.store.errors import StoreError

# All statements of a transaction see the same state.
READING: Mapping[str, Any] = MappingProxyType({"isolation_level": "REPEATABLE READ"})
# A writer sees what those before it have written, who held the lock till then; whatever the
# database's own default is.
WRITING: Mapping[str, Any] = MappingProxyType({WRITES: True, "isolation_level": "READ COMMITTED"})

_DRIVER = "postgresql+psycopg"

_CONNECTING: Mapping[str, Any] = MappingProxyType(
    {
        "application_name": "trueodds",
        # A host that does not answer is given up on, and one that vanishes is noticed. Seconds,
        # the last one milliseconds.
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
        # A pooler in between may give each transaction another session, where no statement is
        # prepared.
        "prepare_threshold": None,
    }
)

# Settings of one transaction, which a pooler lets through as well. A writer waits for its turn, and
# one that has stopped in the middle of its own is ended: others wait for it. And where the
# server would answer a commit before it is on the disk, this one's waits for it.
_WRITE_SETTINGS = """
SELECT set_config('lock_timeout', '10s', true),
       set_config('idle_in_transaction_session_timeout', '10s', true),
       set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit')
                       WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)
"""

# Where another server has taken over, the one of before may still answer: sessions are made anew
# after some minutes.
POOL: Mapping[str, Any] = MappingProxyType({"pool_recycle": 300})

_READ_ONLY = "25006"

# Any number, as long as nothing else in the same database locks on it.
_UPGRADES = 0x7472_7565_6F64_6473

# Those that number the rows of a table: a right of its own, which one to the table does not bring.
_SEQUENCES = text("""
SELECT sequence FROM pg_attribute,
       pg_get_serial_sequence(CAST(:table AS text), attname) AS sequence
WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
  AND sequence IS NOT NULL AND NOT has_sequence_privilege(sequence, 'USAGE, UPDATE')
""")


def usable(url: URL) -> URL:
    """The URL as the store needs it. Raises StoreError where it asks for another driver, or is
    read otherwise than it was meant.
    """
    if "@" in (url.host or ""):  # what would be looked for, and told, has a part of the password
        raise StoreError("its URL has an @ too many: in a name or a password it is written %40")
    if url.drivername not in ("postgresql", _DRIVER):
        raise StoreError(
            f"its URL asks for the driver {url.get_driver_name()}; the store has psycopg, which "
            "postgresql:// stands for"
        )
    return url.set(drivername=_DRIVER)


def connecting(url: URL) -> Mapping[str, Any]:
    """Arguments of the driver's connect; what the URL itself says goes before them."""
    return {name: value for name, value in _CONNECTING.items() if name not in url.query}


def configure(engine: Engine) -> None:
    """Set up every transaction that writes, and what becomes of a session that may not."""

    @event.listens_for(engine, "handle_error")
    def on_error(context: ExceptionContext) -> None:
        # A session stays read-only, or with a server that another has taken over from, long after
        # a new one would not be.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES, False):
            connection.exec_driver_sql(_WRITE_SETTINGS)


def wait_for_upgrades(connection: Connection) -> None:
    """Until the end of the transaction no other service upgrades the database."""
    connection.execute(text("SET LOCAL lock_timeout = '5min'"))
    connection.execute(select(func.pg_advisory_xact_lock(_UPGRADES)))


def check_privileges(connection: Connection, tables: Sequence[str], *, is_current: bool) -> None:
    """Raises StoreError where the user may not do what an upgrade or a write takes.

    ``is_current``: the tables are there, and need no upgrade.
    """
    if connection.scalar(text("SHOW transaction_read_only")) == "on":
        raise StoreError("the database is read-only")
    schema = connection.scalar(text("SELECT current_schema()"))
    if schema is None:
        raise StoreError("the database has none of the schemas of the user's search_path")
    if not is_current:
        create = func.has_schema_privilege(schema, "CREATE")
        if not connection.scalar(select(create)):
            raise StoreError(f"its user may not create tables in the schema {schema}")
        return
    for table in tables:
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            if not connection.scalar(select(func.has_table_privilege(table, privilege))):
                raise StoreError(f"its user may not {privilege} in the table {table}")
        _check_sequences(connection, table)


def _check_sequences(connection: Connection, table: str) -> None:
    sequence = connection.scalar(_SEQUENCES, {"table": table})
    if sequence is not None:
        raise StoreError(f"its user may not use the sequence {sequence}")
