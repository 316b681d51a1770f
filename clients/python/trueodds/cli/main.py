"""The command's tree."""

from importlib.metadata import version
from typing import Annotated

import typer

from trueodds.cli.alerts import alerts
from trueodds.cli.bulk import bulk
from trueodds.cli.calibrate import calibrate
from trueodds.cli.calibrators import calibrators_app, fit
from trueodds.cli.console import Wait, connected, out
from trueodds.cli.demo import demo
from trueodds.cli.drift import drift
from trueodds.cli.evaluate import evaluate
from trueodds.cli.fit_decisions import fit_decisions
from trueodds.cli.keys import audit, keys_app
from trueodds.cli.outcomes import outcomes
from trueodds.cli.report import report
from trueodds.cli.score import score
from trueodds.cli.serve import check, serve, serve_config
from trueodds.cli.server import Target, asks_server
from trueodds.cli.tables import models_table
from trueodds.cli.terminal import run
from trueodds.cli.transfer import export, load

app = typer.Typer(
    name="trueodds",
    help="Calibrated probabilities for multiple-choice questions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
app.command()(serve)
app.command()(check)
app.command("serve-config")(serve_config)
app.command()(score)
app.command()(bulk)
app.command()(fit)
app.command("fit-decisions")(fit_decisions)
app.command()(evaluate)
app.command()(calibrate)
app.command(context_settings={"allow_extra_args": True})(report)  # which says why it has none
calibrators_app.command()(export)
calibrators_app.command("import")(load)
app.add_typer(calibrators_app, name="calibrators")
app.add_typer(keys_app, name="keys")
app.command()(audit)
app.command()(outcomes)
app.command()(drift)
app.command()(alerts)


@app.command()
@asks_server
def models(wait: Wait = 0.0, *, server: Target) -> None:
    """Show the models that the server has.

    Example: trueodds models --server localhost:50051
    """
    with connected(server, wait=wait) as client:
        out.print(models_table(client.models()))


app.command()(demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trueodds {version('trueodds')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point."""
    run(app)
