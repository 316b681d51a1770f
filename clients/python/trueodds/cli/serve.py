"""`trueodds serve`, `check` and `serve-config`: the service here, of trueodds-service."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import extras

Config = Annotated[Path, typer.Argument(help="The configuration, a YAML file.")]
Listen = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS:PORT", help="Listen here, not where CONFIG says; port 0: any."),
]


RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Run on this Ray cluster, such as 10.0.0.1:6379, and not alone."
    ),
]
Running = Annotated[
    bool,
    typer.Option("--running", help="Beside the service that runs with it: not its ports and GPUs."),
]


def serve(config: Config, listen: Listen = None, ray_address: RayAddress = None) -> None:
    """Serve models over gRPC until interrupted.

    Example: trueodds serve serve.yaml --listen 0.0.0.0:50051
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.serving.main import run  # noqa: PLC0415 (ray is not the client's)

        status = run(config, listen=listen, ray_address=ray_address)
    raise typer.Exit(status)


def check(config: Config, listen: Listen = None, running: Running = False) -> None:
    """Say what `serve` would find wrong with a configuration, and start nothing.

    Status 1 if anything is. Example: trueodds check serve.yaml
    """
    with extras("cpu", "cuda", of="trueodds-service"):
        from trueodds_service.serving import main  # noqa: PLC0415

        status = main.check(config, listen=listen, is_running=running)
    raise typer.Exit(status)


def serve_config(config: Config) -> None:
    """Print what Ray's `serve deploy` and KubeRay take, for a configuration.

    Example: trueodds serve-config serve.yaml > serve-config.yaml
    """
    with extras():
        from trueodds_service.serving import main  # noqa: PLC0415

        status = main.serve_config(config)
    raise typer.Exit(status)
