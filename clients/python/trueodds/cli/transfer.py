"""`trueodds calibrators export` and `import`: a store's content as one file. For its operator."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import extras

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The service's configuration.")]
Store = Annotated[
    str | None,
    typer.Option(
        envvar="TRUEODDS_STORE",
        show_envvar=True,
        metavar="URL",
        help="The store's database, where there is no configuration.",
    ),
]


def export(
    file: Annotated[Path, typer.Argument(help="Where to write; must not be there yet.")],
    config: Config = None,
    store: Store = None,
) -> None:
    """Write all that a store keeps to one file: calibrators, histories, names of requests.

    It asks the database itself, whether a service runs or not.

    Example: trueodds calibrators export calibrators.jsonl --config serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import transfer  # noqa: PLC0415

        status = transfer.export(file, configuration=config, url=None if config else store)
    raise typer.Exit(status)


def load(
    file: Annotated[Path, typer.Argument(help="What `export` has written.")],
    config: Config = None,
    store: Store = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, and keep nothing.")
    ] = False,
) -> None:
    """Add what a file holds to a store: all of it or, where the store knows otherwise, nothing.

    A second time it changes nothing. A service that runs takes over what is active by that.

    Example: trueodds calibrators import calibrators.jsonl --config serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.operators import transfer  # noqa: PLC0415

        url = None if config else store
        status = transfer.load(file, configuration=config, url=url, dry_run=dry_run)
    raise typer.Exit(status)
