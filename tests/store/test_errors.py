"""What the database throws comes out as the store's own errors, with its cause."""

import errno
import pickle
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import exc as sql_errors

import trueodds_service.store
from trueodds_service.store import (
    SqlCalibratorStore,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    errors,
    upgrade,
)
from trueodds_service.store.database import translated
from trueodds_service.store.dialects import sqlite


def sqlite_error(name):
    """As the driver raises it, with the code of a kind."""
    error = sqlite3.OperationalError(f"as {name} says")
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


IO_ERROR = sqlite_error("SQLITE_IOERR")
FULL = sqlite_error("SQLITE_FULL")
SECRET = ("SELECT secret", ("secret",))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (sql_errors.OperationalError(*SECRET, IO_ERROR), StoreUnavailable),
        (sql_errors.OperationalError(*SECRET, sqlite_error("SQLITE_BUSY")), StoreUnavailable),
        (
            sql_errors.OperationalError(*SECRET, sqlite_error("SQLITE_BUSY_SNAPSHOT")),
            StoreUnavailable,
        ),
        (sql_errors.OperationalError(*SECRET, FULL), StoreError),
        (sql_errors.OperationalError(*SECRET, sqlite_error("SQLITE_READONLY")), StoreError),
        (sql_errors.OperationalError(*SECRET, sqlite_error("SQLITE_CANTOPEN")), StoreError),
        (sql_errors.IntegrityError(*SECRET, sqlite_error("SQLITE_CONSTRAINT")), StoreError),
        (sql_errors.TimeoutError("the pool is empty"), StoreUnavailable),
        (IO_ERROR, StoreUnavailable),
        (FULL, StoreError),
        (sqlite3.DatabaseError("file is not a database"), StoreError),
        (PermissionError(errno.EACCES, "no"), StoreError),
        (OSError(errno.ENOSPC, "no room"), StoreError),
        (OSError(errno.EIO, "a fault"), StoreUnavailable),
        (sql_errors.StatementError("a value", *SECRET, TypeError("no")), StoreError),
        (sql_errors.NoResultFound("no row"), StoreError),
        (sql_errors.ArgumentError("no URL"), StoreError),
    ],
)
def test_each_kind_of_error_is_translated_and_its_cause_kept(raised, expected):
    with pytest.raises(StoreError) as caught, translated():
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", [StoreError, *StoreError.__subclasses__()])
def test_every_error_can_travel_is_exported_and_in_the_tree(kind):
    copy = pickle.loads(pickle.dumps(kind("told")))  # noqa: S301 – its own bytes
    assert (type(copy), str(copy)) == (kind, "told")
    assert kind.__name__ in errors.__doc__
    assert kind.__name__ in trueodds_service.store.__all__


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///x.db?mode=memory", "mysql://h/d"],
)
def test_a_url_that_cannot_keep_anything_is_refused_at_once(url):
    for use in (SqlCalibratorStore, upgrade):
        with pytest.raises(StoreError):
            use(url)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        upgrade(f"sqlite:///{tmp_path}/file/store.db")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a database" * 100)
    with pytest.raises(StoreError):
        upgrade(f"sqlite:///{file}")
    assert file.read_text() == "not a database" * 100


def test_a_store_that_was_never_upgraded_says_so(tmp_path):
    with pytest.raises(StoreError, match="no such table") as caught:
        SqlCalibratorStore(f"sqlite:///{tmp_path}/store.db").version()
    assert not isinstance(caught.value, StoreUnavailable), "it does not pass by itself"


def test_a_lock_held_too_long_is_unavailable_and_readers_go_on(sqlite_url, make, monkeypatch):
    monkeypatch.setattr(sqlite, "_PRAGMAS", ("PRAGMA busy_timeout = 10",))
    store = SqlCalibratorStore(sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.put(make())
        assert store.version() == 0
    assert store.put(make()) == make()


def test_a_damaged_column_is_corrupt(store, behind, make):
    calibrator = store.put(make())
    behind("UPDATE calibrators SET metrics = '[]'")
    with pytest.raises(StoreCorrupt):
        store.get("demo-aligned", calibrator.id)


def test_a_failure_in_the_middle_of_a_write_changes_nothing(store, no_room, make):
    calibrator = store.put(make())
    with pytest.raises(StoreError, match="no room"):
        store.activate("demo-aligned", calibrator.id)
    assert store.version() == 0
    assert store.history(calibrator.scope) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@host/trueodds",
        "postgresql:///trueodds?host=h&user=svc&password=hunter2",
        "postgresql:///trueodds?sslpassword=hunter2&host=h",
    ],
)
def test_a_password_of_a_url_is_never_told(url):
    assert "hunter2" not in errors.without_password(f"{url} said no")
    assert "hunter2" not in str(StoreError(url))
    assert errors.without_password(f"{url} said no").endswith(" said no")
