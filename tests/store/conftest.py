"""A store in a database of its own, of each kind, and calibrators to put into it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from trueodds_service import caller
from trueodds_service.caller import Caller, Permission
from trueodds_service.store import Calibrator, Provenance, Scope, SqlCalibratorStore, upgrade
from trueodds_service.store.database import open_engine

Make = Callable[..., Calibrator]
Behind = Callable[[str], None]
NewUrl = Callable[[], str]
StartWriter = Callable[..., subprocess.Popen[str]]


def _make(
    temperature: float = 1.7, *, model: str = "demo-aligned", task: str = "", tenant: str = ""
) -> Calibrator:
    return Calibrator(
        scope=Scope(model, "3f2a", task, "paren", 1, 4, tenant),
        method="teacher_kl",
        parameters={"temperature": (temperature,)},
        provenance=Provenance("demo-base", "77c1", 512, "sha256:ab12", {"trueodds": "0.1.0"}),
        metrics={"nll_before": 1.25, "nll_after": 0.1 + 0.2},
        created_at=datetime(2025, 3, 1, 12, 30, 15, 123457, tzinfo=UTC),
    )


@pytest.fixture(scope="session")
def make() -> Make:
    """Makes a calibrator; another temperature, model, task or tenant makes another id."""
    return _make


@pytest.fixture(scope="session")
def acting_for() -> Callable[[str], AbstractContextManager[None]]:
    """What is done inside is for this tenant, by its ``key:tester``."""
    return lambda tenant: caller.acting_for(Caller(tenant, "key:tester", frozenset(Permission)))


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database: a test of a store runs on each."""
    return request.param


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of SQLite to copy."""
    file = tmp_path_factory.mktemp("migrated") / "store.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def new_url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> NewUrl:
    """Makes URLs of databases that nobody has upgraded."""
    numbers = count()

    def new_url() -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/new{next(numbers)}/store.db"
        return request.getfixturevalue("postgres_server").database()

    return new_url


@pytest.fixture
def new_sqlite_url(migrated_file: Path, tmp_path: Path) -> NewUrl:
    """Makes URLs of migrated files."""
    numbers = count()

    def new_sqlite_url() -> str:
        file = shutil.copy(migrated_file, tmp_path / f"store{next(numbers)}.db")
        return f"sqlite:///{file}"

    return new_sqlite_url


@pytest.fixture
def new_migrated_url(request: pytest.FixtureRequest, kind: str) -> NewUrl:
    """Makes URLs of migrated databases, each to be used before the next is made."""
    if kind == "sqlite":
        return request.getfixturevalue("new_sqlite_url")
    return request.getfixturevalue("postgres_server").emptied


@pytest.fixture
def sqlite_url(new_sqlite_url: NewUrl) -> str:
    """The URL of a migrated file."""
    return new_sqlite_url()


@pytest.fixture
def url(new_migrated_url: NewUrl) -> str:
    """The URL of a migrated database."""
    return new_migrated_url()


@pytest.fixture
def behind_of() -> Callable[[str], Behind]:
    """Of a URL, what runs statements there behind the store's back."""

    def behind_of(url: str) -> Behind:
        def behind(statement: str) -> None:
            engine = open_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql(statement)
            engine.dispose()

        return behind

    return behind_of


@pytest.fixture
def behind(behind_of: Callable[[str], Behind], url: str) -> Behind:
    """Runs a statement behind the back of the test's store."""
    return behind_of(url)


_NO_ROOM = {
    "sqlite": [
        "CREATE TRIGGER fail BEFORE INSERT ON activations BEGIN SELECT RAISE(ABORT, 'no room'); END"
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no room'; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON activations EXECUTE FUNCTION fail()",
    ],
}
_ROOM = {
    "sqlite": "DROP TRIGGER IF EXISTS fail",
    "postgresql": "DROP TRIGGER IF EXISTS fail ON activations",
}


@pytest.fixture
def no_room(kind: str, behind: Behind) -> Iterator[Callable[[], None]]:
    """From here on activations fail, the last thing of a write; what is given ends that."""
    for statement in _NO_ROOM[kind]:
        behind(statement)
    yield lambda: behind(_ROOM[kind])
    behind(_ROOM[kind])


@pytest.fixture
def store(url: str) -> Iterator[SqlCalibratorStore]:
    """An empty store, of each kind of database."""
    store = SqlCalibratorStore(url)
    yield store
    store.close()


@pytest.fixture
def start_writer() -> Iterator[StartWriter]:
    """Starts ``writer.py`` in a process of its own; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, *, threads: int, count: int, tag: str = "w") -> subprocess.Popen[str]:
        script = Path(__file__).with_name("writer.py")
        process = subprocess.Popen(
            [sys.executable, str(script), url, str(threads), str(count), tag],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
