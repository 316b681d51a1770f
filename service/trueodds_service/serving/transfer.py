"""What `trueodds calibrators export` and `import` run: a store's content and a file."""

from pathlib import Path

from trueodds_service.serving.operator import on_store
from trueodds_service.store import export_store, import_store


def export(file: Path, *, configuration: Path | None, url: str | None) -> int:
    """Writes what the store keeps to a new file, and tells how much; the exit status."""

    def write(store: str) -> None:
        numbers, digest = export_store(store, file)
        print(f"exported to {file}: {numbers}\nsha256: {digest}")

    return on_store(write, configuration=configuration, url=url)


def load(file: Path, *, configuration: Path | None, url: str | None, dry_run: bool) -> int:
    """Adds what a file holds to the store, and tells what was new; the exit status."""

    def read(store: str) -> None:
        new, held = import_store(store, file, dry_run=dry_run)
        print(f"{file} holds {held}")
        print(f"{'would be new' if dry_run else 'new'}: {new}")

    return on_store(read, configuration=configuration, url=url)
