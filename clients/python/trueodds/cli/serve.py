"""`trueodds serve`: the service on this machine. Needs the extra cpu or cuda."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import fail


def serve(
    config: Annotated[Path, typer.Argument(help="The configuration, a YAML file.")],
    listen: Annotated[
        str | None, typer.Option(help="ADDRESS:PORT instead of the configured one; port 0: any.")
    ] = None,
) -> None:
    """Serve models over gRPC until interrupted."""
    try:
        from trueodds_service.serving.main import run  # noqa: PLC0415 (ray is not the client's)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: pip install 'trueodds[cpu]' (or 'trueodds[cuda]')")
    raise typer.Exit(run(config, listen=listen))
