"""What `trueodds calibrators export` and `import` run: a store's content and a file."""

import sys
from pathlib import Path

from trueodds_service.operators.on_store import on_store
from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import export_store, import_store

# The exit status of what is done but for some items, as of the other commands.
_WITH_ERRORS = 3


def export(file: Path, *, configuration: Path | None, url: str | None) -> int:
    """Writes what the store keeps to a new file, and tells how much; the exit status."""
    damaged: list[str] = []

    def write(store: str) -> None:
        exported = export_store(store, file)
        print(f"exported to {file}: {exported.numbers}\nsha256: {exported.sha256}")
        for each in exported.damaged:
            task = f"task {each.scope.task!r}" if each.scope.task else "the default task"
            damaged.append(
                f"damaged, and left out with the history of its scope ({task}): {each.name}"
            )

    status = on_store(write, configuration=configuration, url=url)
    for line in damaged:
        print(line, file=sys.stderr)
    return status or (_WITH_ERRORS if damaged else 0)


def load(file: Path, *, configuration: Path | None, url: str | None, dry_run: bool) -> int:
    """Adds what a file holds to the store, and tells what was new; the exit status."""

    def read(store: str) -> None:
        new, held = import_store(store, file, check_could_be_kept, dry_run=dry_run)
        print(f"{file} holds {held}")
        print(f"{'would be new' if dry_run else 'new'}: {new}")

    return on_store(read, configuration=configuration, url=url)
