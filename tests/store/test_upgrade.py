"""The migrations build the tables that the code expects, once, and never go backwards."""

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from trueodds_service.store import SchemaTooNew, SqlCalibratorStore, StoreUnavailable, upgrade
from trueodds_service.store.database import open_engine
from trueodds_service.store.tables import Row
from trueodds_service.store.upgrade import migration_config


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


OLD = Path(__file__).with_name("0001.sql")


@pytest.fixture
def old_url(tmp_path):
    """A database that the first version of the service has written."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.executescript(OLD.read_text())
    return f"sqlite:///{tmp_path}/store.db"


def test_calibrators_of_the_first_version_keep_their_ids_and_answer(old_url, make):
    upgrade(old_url)
    store = SqlCalibratorStore(old_url)
    default, task = make(), make(0.1 + 0.2, task="anatomy")
    kept = {each.id: each for each in store.list("demo-aligned", page_size=10).calibrators}
    assert kept == {default.id: default, task.id: task}
    assert store.snapshot().active == {task.scope: task}
    assert store.version() == 1
    assert store.put(make()).created_at == default.created_at, "it is the one that is kept"
    assert store.activate("demo-aligned", default.id).sequence == 2


def test_an_upgraded_database_has_the_tables_of_a_new_one(old_url):
    upgrade(old_url)
    engine = open_engine(old_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Row.metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(url, make):
    store = SqlCalibratorStore(url)
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
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        tried.append(True)

    monkeypatch.setattr("alembic.command.upgrade", upgrade_of_another)
    upgrade(f"sqlite:///{tmp_path}/store.db")
    assert tried == [True]
    monkeypatch.undo()
    upgrade(f"sqlite:///{tmp_path}/store.db")  # The locks are free again.
    assert SqlCalibratorStore(f"sqlite:///{tmp_path}/store.db").version() == 0


def test_a_failed_migration_leaves_no_trace(tmp_path):
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as database:
        # In the way of a table that the migration makes after others.
        database.execute("CREATE TABLE activations (other TEXT)")
    with pytest.raises(StoreUnavailable, match="activations"):
        upgrade(f"sqlite:///{file}")
    with sqlite3.connect(file) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert names == [("activations",)]


def test_a_database_of_a_newer_version_is_left_alone(url):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'f00d'")
    with pytest.raises(SchemaTooNew, match="f00d"):
        upgrade(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("f00d",)


@pytest.mark.parametrize("folder", ["with space", "per%cent", "ünï"])
def test_unusual_folders(tmp_path: Path, folder, make):
    url = f"sqlite:///{tmp_path}/{quote(folder)}/store.db"
    upgrade(url)
    SqlCalibratorStore(url).put(make())
    assert (tmp_path / folder / "store.db").is_file()
