"""The migrations build the tables that the code expects, once, and never go backwards."""

import fcntl
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from trueodds_service.store import SchemaTooNew, SqlCalibratorStore, StoreError, upgrade
from trueodds_service.store.database import open_engine
from trueodds_service.store.dialects import postgres
from trueodds_service.store.tables import Row
from trueodds_service.store.upgrade import migration_config

UPGRADE = "import sys; from trueodds_service.store import upgrade; upgrade(sys.argv[1])"


@pytest.fixture
def connection(url):
    engine = open_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_migrations_and_tables_agree(connection):
    assert compare_metadata(MigrationContext.configure(connection), Row.metadata) == []
    # The comparison leaves out the names of the foreign keys; later migrations need them.
    inspector = inspect(connection)
    for table in Row.metadata.sorted_tables:
        kept = {each["name"] for each in inspector.get_foreign_keys(table.name)}
        assert kept == {each.name for each in table.foreign_key_constraints}


def test_the_migrations_form_one_line_and_the_database_is_at_its_end(connection):
    script = ScriptDirectory.from_config(migration_config(connection))
    (head,) = script.get_heads()
    assert MigrationContext.configure(connection).get_current_heads() == (head,)


def test_upgrading_again_changes_nothing(url, store, make):
    kept = store.put(make())
    store.activate("demo-aligned", kept.id)
    upgrade(url)
    assert store.active(kept.scope) == kept
    assert store.version() == 1


def test_no_other_process_can_upgrade_meanwhile(tmp_path, monkeypatch):
    tried = []

    def upgrade_of_another(*_: object) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        with closing(sqlite3.connect(tmp_path / "store.db", timeout=0)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600, "secrets are in it"
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        tried.append(True)

    monkeypatch.setattr("alembic.command.upgrade", upgrade_of_another)
    upgrade(f"sqlite:///{tmp_path}/store.db")
    assert tried == [True]
    monkeypatch.undo()
    upgrade(f"sqlite:///{tmp_path}/store.db")  # The locks are free again.
    assert SqlCalibratorStore(f"sqlite:///{tmp_path}/store.db").version() == 0


def test_a_failed_migration_leaves_no_trace(new_url, kind, tmp_path):
    url = new_url()
    if kind == "sqlite":
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    engine = open_engine(url)
    with engine.begin() as connection:
        # In the way of a table that the migration makes after others.
        connection.exec_driver_sql("CREATE TABLE activations (other TEXT)")
    with pytest.raises(StoreError, match="activations"):
        upgrade(url)
    assert inspect(engine).get_table_names() == ["activations"]
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(new_url):
    url = new_url()
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'f00d'")
    with pytest.raises(SchemaTooNew, match="f00d"):
        upgrade(url)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == ("f00d",)
    engine.dispose()


def test_services_that_start_at_once_upgrade_once(postgres_server):
    """A second upgrade would fail at the tables of the first: each waits for its turn."""
    url = postgres_server.database()
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor() as pool, postgres_server.connect(url.rpartition("/")[2]) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (postgres._UPGRADES,))
        upgrades = [
            pool.submit(
                subprocess.run,
                [sys.executable, "-c", UPGRADE, url],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=True,
            )
            for _ in range(2)
        ]
        while postgres_server.execute(count) != [(2,)]:
            assert not any(each.done() for each in upgrades)
        other.execute("SELECT pg_advisory_unlock(%s)", (postgres._UPGRADES,))
        for each in upgrades:
            each.result()
    assert SqlCalibratorStore(url).version() == 0


@pytest.mark.parametrize("folder", ["with space", "per%cent", "ünï"])
def test_unusual_folders(tmp_path: Path, folder, make):
    url = f"sqlite:///{tmp_path}/{quote(folder)}/store.db"
    upgrade(url)
    SqlCalibratorStore(url).put(make())
    assert (tmp_path / folder / "store.db").is_file()
