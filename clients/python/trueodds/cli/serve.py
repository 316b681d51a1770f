"""`trueodds serve`: the service on this machine. Needs the extra cpu or cuda."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import extras


def serve(
    config: Annotated[Path, typer.Argument(help="The configuration, a YAML file.")],
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS:PORT", help="Listen here, not where CONFIG says; port 0: any."
        ),
    ] = None,
) -> None:
    """Serve models over gRPC until interrupted.

    Example: trueodds serve serve.yaml --listen 0.0.0.0:50051
    """
    with extras():
        from trueodds_service.serving.main import run  # noqa: PLC0415 (ray is not the client's)

        status = run(config, listen=listen)
    raise typer.Exit(status)
