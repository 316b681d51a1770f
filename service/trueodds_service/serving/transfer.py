"""What `trueodds calibrators export` and `import` run: a store's content and a file."""

import sys
from pathlib import Path

from trueodds_service import config
from trueodds_service.errors import ConfigError
from trueodds_service.store import StoreError, export_store, import_store, without_password


def export(file: Path, *, configuration: Path | None, url: str | None) -> int:
    """Writes what the store keeps to a new file, and tells how much; the exit status."""
    try:
        numbers, digest = export_store(_store(configuration, url), file)
    except (ConfigError, StoreError) as error:
        return _refused(error)
    print(f"exported to {file}: {numbers}\nsha256: {digest}")
    return 0


def load(file: Path, *, configuration: Path | None, url: str | None, dry_run: bool) -> int:
    """Adds what a file holds to the store, and tells what was new; the exit status."""
    try:
        new, held = import_store(_store(configuration, url), file, dry_run=dry_run)
    except (ConfigError, StoreError) as error:
        return _refused(error)
    print(f"{file} holds {held}")
    print(f"{'would be new' if dry_run else 'new'}: {new}")
    return 0


def _store(configuration: Path | None, url: str | None) -> str:
    """The store's URL. Raises ConfigError."""
    if (configuration is None) == (url is None):
        raise ConfigError("one of --config and --store is needed")
    if url is not None:
        return url
    # Its models need not be here: only the store is asked for.
    settings, _ = config.read(Path(str(configuration)))
    return settings.store


def _refused(error: Exception) -> int:
    print(f"error: {without_password(str(error))}", file=sys.stderr)
    return 1
