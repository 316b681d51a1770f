"""Real databases, new and empty, that end with the drill."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.postgres import running

KINDS = ("sqlite", "postgresql")


@contextmanager
def databases(kind: str) -> Iterator[Callable[[], str]]:
    """Makes URLs of databases that nobody has upgraded."""
    if kind == "postgresql":
        with running() as server:
            yield server.database
        return
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        numbers = count()
        yield lambda: f"sqlite:///{Path(folder) / f'{next(numbers)}.sqlite'}"
