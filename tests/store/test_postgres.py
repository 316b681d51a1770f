"""PostgreSQL: what is wrong is told as what it is, and what passes is told as that."""

import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from tests.store.test_outcomes import outcome

from trueodds_service.store import (
    SqlCalibratorStore,
    SqlOutcomeStore,
    StoreError,
    StoreUnavailable,
    probe,
    upgrade,
)
from trueodds_service.store.database import Database
from trueodds_service.store.dialects import postgres

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'owner'"


@pytest.fixture
def url(postgres_server):
    """Of PostgreSQL alone."""
    return postgres_server.database(postgres_server.migrated)


@pytest.fixture
def kind():
    return "postgresql"


# What is changed in a URL that works, and what is said of it.
WRONG = {
    "the password": (":pg%20secret", ":another", 'password authentication failed for user "owner"'),
    "the user": ("owner:", "nobody:", 'password authentication failed for user "nobody"'),
    "the database": ("/test", "/absent", "does not exist"),
    "the host": ("127.0.0.1", "nowhere.invalid", "failed to resolve host 'nowhere.invalid'"),
    "an option": ("/test", "/test?sslmod=require&x=", 'connection option "sslmod"'),
    "the encryption": ("/test", "/test?sslmode=require&dbname=test", "does not support SSL"),
    "an @ in the password": (":pg%20secret", ":pg@secret", "an @ too many"),
    "the driver": ("postgresql:", "postgresql+asyncpg:", "asks for the driver asyncpg"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=WRONG)
def test_what_stays_wrong_is_told_as_that(url, old, new, said):
    assert old in url
    wrong = url.replace(old, new)
    for use in (probe, upgrade):
        with pytest.raises(StoreError) as caught:
            use(wrong)
        assert said in str(caught.value)
        assert not isinstance(caught.value, StoreUnavailable), "it does not pass by itself"
        assert "secret" not in str(caught.value)


def test_a_server_that_does_not_run_may_come_back(url, postgres_server):
    for use in (probe, upgrade):
        with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*Connection refused"):
            use(url.replace(str(postgres_server.port), "1"))


def test_a_missing_driver_is_told_with_what_brings_it(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for use in (probe, upgrade, SqlCalibratorStore):
        with pytest.raises(
            StoreError, match=r"psycopg, is not installed: pip install .*\[postgres\]"
        ):
            use(url)


def test_a_database_without_tables_says_so(postgres_server):
    store = SqlCalibratorStore(postgres_server.database())
    with pytest.raises(StoreError, match='relation "clock" does not exist') as caught:
        store.version()
    assert not isinstance(caught.value, StoreUnavailable)


@pytest.fixture
def guest(postgres_server, url):
    """The URL of the same database for a user who may do nothing there."""
    database = url.rpartition("/")[2]
    with suppress(Exception):
        postgres_server.user("guest")
    return postgres_server.url(database, user="guest")


def test_a_user_who_may_not_write_is_told_what(guest, behind, make):
    with pytest.raises(StoreError, match="permission denied for table"):
        probe(guest)
    behind("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    with pytest.raises(StoreError, match="its user may not INSERT in the table"):
        probe(guest)
    with pytest.raises(StoreError, match="permission denied") as caught:
        SqlCalibratorStore(guest).put(make())
    assert not isinstance(caught.value, StoreUnavailable)
    behind("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO guest")
    with pytest.raises(StoreError, match="its user may not DELETE in the table"):
        probe(guest)
    behind("GRANT DELETE ON ALL TABLES IN SCHEMA public TO guest")
    with pytest.raises(StoreError, match="its user may not use the sequence"):
        probe(guest)
    with pytest.raises(StoreError, match="permission denied for sequence"):
        SqlCalibratorStore(guest).put(make())
    behind("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest")
    probe(guest)
    SqlCalibratorStore(guest).put(make())


def test_a_user_who_may_not_make_tables_is_told(postgres_server, guest):
    database = postgres_server.database().rpartition("/")[2]
    with pytest.raises(StoreError, match="may not create tables in the schema public"):
        probe(postgres_server.url(database, user="guest"))


def test_a_read_only_database_is_told(postgres_server, url, make):
    database = url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="the database is read-only"):
        probe(url)
    store = SqlCalibratorStore(url)
    with pytest.raises(StoreUnavailable, match="read-only transaction"):
        store.put(make())
    # Another server has taken over: the session of before would go on as it is.
    postgres_server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    store.put(make())
    store.close()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_writers_wait_for_each_other_whatever_the_database_s_default(postgres_server, url, level):
    database = url.rpartition("/")[2]
    postgres_server.execute(
        f"ALTER DATABASE {database} SET default_transaction_isolation = '{level}'"
    )

    def record(option):
        with closing(SqlOutcomeStore(url)) as store:
            for number in range(20):
                store.record([outcome(number, option)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(record, range(4)))
    with closing(SqlOutcomeStore(url)) as store:
        assert len(store.of_calibrator("0f")) == 20


def test_nothing_is_left_by_a_probe(postgres_server):
    url = postgres_server.database()
    probe(url)
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert postgres_server.execute(tables, url.rpartition("/")[2]) == [(0,)]


def test_a_store_outlives_its_connections(url, postgres_server, make):
    """As where the server is started again, or a network forgets them."""
    store = SqlCalibratorStore(url)
    kept = store.put(make(), activate=True)
    postgres_server.execute(CUT)
    assert store.active(kept.scope) == kept
    store.close()


def test_a_connection_that_is_lost_in_the_middle_may_come_back(url, postgres_server):
    database = Database(url)

    def write():
        with database.writing() as session:
            postgres_server.execute(CUT)
            session.connection().exec_driver_sql("SELECT 1")

    with pytest.raises(StoreUnavailable, match="terminating connection"):
        write()


def test_a_writer_that_has_stopped_does_not_hold_up_others(url, make, monkeypatch):
    """Such as the process of a gateway that is paused in the middle of a write."""
    monkeypatch.setattr(
        postgres, "_WRITE_SETTINGS", postgres._WRITE_SETTINGS.replace("'10s'", "'300ms'", 2)
    )
    store, stopped = SqlCalibratorStore(url), Database(url)
    go_on = threading.Event()

    def stop():
        with stopped.writing():
            held.set()
            go_on.wait(60)

    held = threading.Event()
    with ThreadPoolExecutor() as pool:
        writer = pool.submit(stop)
        held.wait(60)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            # Whoever waits for its turn too long is told to come back, and is served then.
            with suppress(StoreUnavailable):
                kept = store.put(make(), activate=True)
                break
        go_on.set()
        with pytest.raises(StoreUnavailable):
            writer.result()
    assert store.active(kept.scope) == kept


class Refusing:
    """A server that refuses every connection, in a language of its own."""

    def __init__(self, state, said):
        fields = {"S": "FATAL", "V": "FATAL", "C": state, "M": said}
        body = b"".join(f"{key}{value}".encode() + b"\0" for key, value in fields.items()) + b"\0"
        self._refusal = b"E" + struct.pack("!i", len(body) + 4) + body
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(struct.error):
                    self._refuse(connection)

    def _refuse(self, connection):
        while True:
            length, code = struct.unpack("!ii", connection.recv(8, socket.MSG_WAITALL))
            if code != _SSL_REQUEST:
                connection.recv(length - 8, socket.MSG_WAITALL)
                connection.sendall(self._refusal)
                return
            connection.sendall(b"N")

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


_SSL_REQUEST = 80877103


@pytest.mark.parametrize(
    ("state", "said", "passes"),
    [
        ("57P03", "el sistema de base de datos está iniciándose", True),
        ("28P01", "la autentificación password falló para el usuario «u»", False),
    ],
)
def test_whether_a_refusal_passes_is_not_read_from_its_words(state, said, passes):
    with (
        closing(Refusing(state, said)) as server,
        pytest.raises(StoreError, match=said) as refusal,
    ):
        probe(f"postgresql://u:p@127.0.0.1:{server.port}/x")
    assert isinstance(refusal.value, StoreUnavailable) == passes
