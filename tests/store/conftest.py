"""A store in a file of its own, and calibrators to put into it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trueodds_service.store import Calibrator, Provenance, Scope, SqlCalibratorStore, upgrade

Make = Callable[..., Calibrator]
StartWriter = Callable[..., subprocess.Popen[str]]


def _make(temperature: float = 1.7, *, model: str = "demo-aligned", task: str = "") -> Calibrator:
    return Calibrator(
        scope=Scope(model, "3f2a", task, "paren", 1, 4),
        method="teacher_kl",
        parameters={"temperature": (temperature,)},
        provenance=Provenance("demo-base", "77c1", 512, "sha256:ab12", {"trueodds": "0.1.0"}),
        metrics={"nll_before": 1.25, "nll_after": 0.1 + 0.2},
        created_at=datetime(2025, 3, 1, 12, 30, 15, 123457, tzinfo=UTC),
    )


@pytest.fixture(scope="session")
def make() -> Make:
    """Makes a calibrator; another temperature, model or task makes another id."""
    return _make


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a migrated database, in a folder that did not exist."""
    url = f"sqlite:///{tmp_path}/deep/store.db"
    upgrade(url)
    return url


@pytest.fixture
def store(url: str) -> Iterator[SqlCalibratorStore]:
    """An empty store."""
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
