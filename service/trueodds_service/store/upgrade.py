"""Bring a database to the schema that this version of the service needs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from trueodds_service.store.database import open_engine, translated
from trueodds_service.store.dialects import postgres, sqlite
from trueodds_service.store.errors import SchemaTooNew

# Alembic's migration context is global to the process.
_ONE_AT_A_TIME = threading.Lock()


def upgrade(url: str) -> None:
    """Create the database's tables, or migrate them; nothing to do is fine.

    For SQLite it creates the file and its folder. Processes that call it at once wait for each
    other. The whole of it is one transaction: after an error the schema is what it was.

    Raises:
        SchemaTooNew: a newer version of the service has migrated the database.
        StoreUnavailable: the database cannot be opened, reached or locked.
        StoreError: the URL cannot be used, or a migration failed.
    """
    with _ONE_AT_A_TIME, translated():
        engine = open_engine(url)
        try:
            with _alone(engine) as connection:
                _migrate(connection)
        finally:
            engine.dispose()


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration, without a file: the packaged migrations, and a connection."""
    config = Config()
    # Options are interpolated, so a percent sign in the path has to be doubled.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.attributes["connection"] = connection
    return config


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that no other process upgrades beside."""
    if engine.dialect.name == "sqlite":
        writes = engine.execution_options(**sqlite.WRITING)
        with sqlite.prepared_file(engine), writes.begin() as connection:
            yield connection
    else:
        writes = engine.execution_options(**postgres.WRITING)
        with writes.begin() as connection:
            postgres.wait_for_upgrades(connection)
            yield connection


def _migrate(connection: Connection) -> None:
    check_revision(connection)
    command.upgrade(migration_config(connection), "head")


def has_tables(connection: Connection) -> bool:
    """Whether any version of the service has been here."""
    return bool(MigrationContext.configure(connection).get_current_heads())


def check_revision(connection: Connection) -> bool:
    """Whether the database is at the newest revision that is known here.

    Raises SchemaTooNew if a newer version of the service has migrated it.
    """
    script = ScriptDirectory.from_config(migration_config(connection))
    known = {each.revision for each in script.walk_revisions()}
    present = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := present - known:
        raise SchemaTooNew(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of "
            "the service does not know; run the version that migrated it, or a newer one"
        )
    return present == set(script.get_heads())
