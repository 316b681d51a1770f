"""What the commands share that an operator runs on the store itself, beside any service."""

import getpass
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from trueodds_service import config
from trueodds_service.caller import Caller, Permission, acting_for
from trueodds_service.errors import ConfigError
from trueodds_service.store import StoreError, without_password


def on_store(do: Callable[[str], None], *, configuration: Path | None, url: str | None) -> int:
    """Does something with the URL of the store, as this user; the exit status."""
    try:
        with acting_for(_operator()):
            do(_store(configuration, url))
    except (ConfigError, StoreError) as error:
        print(f"error: {without_password(str(error))}", file=sys.stderr)
        return 1
    return 0


def print_columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table whose columns are as wide as what they hold; what is no character to read is
    shown by its number, for it could make up lines.
    """
    table = [head, *([_legible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def _legible(text: str) -> str:
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _operator() -> Caller:
    """A person who has the database may do anything; the audit log tells the name of the user."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # one without a name, as in a container
        user = str(os.getuid())
    return Caller(tenant="", name=f"local:{user}", permissions=frozenset(Permission))


def _store(configuration: Path | None, url: str | None) -> str:
    """The store's URL. Raises ConfigError."""
    if (configuration is None) == (url is None):
        raise ConfigError("one of --config and --store is needed")
    if url is not None:
        return url
    # Its models need not be here: only the store is asked for.
    settings, _ = config.read(Path(str(configuration)))
    return settings.store
