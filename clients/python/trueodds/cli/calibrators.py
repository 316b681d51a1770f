"""`trueodds fit` and `trueodds calibrators …`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.pretty import pprint

from trueodds.cli.console import ModelName, Server, Task, connected, fail, out, progress_bar
from trueodds.cli.files import FileError, read_examples
from trueodds.cli.tables import calibrators_table, trust
from trueodds.types import Calibrator, Format, Method

calibrators_app = typer.Typer(help="List, show, activate and roll back calibrators.")

Name = Annotated[str, typer.Argument(help="models/{model}/calibrators/{id}")]


def fit(
    model: ModelName,
    questions: Annotated[
        Path | None, typer.Argument(help="JSON Lines; answers only for --method temperature.")
    ] = None,
    task: Task = "",
    method: Annotated[Method, typer.Option(help="How to find the temperature.")] = (
        Method.TEACHER_KL
    ),
    answer_format: Annotated[Format, typer.Option("--format", help="How the model answers.")] = (
        Format.PAREN
    ),
    shots: Annotated[Path | None, typer.Option(help="Worked examples, JSON Lines.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="The pre-trained model; the configured one when left out.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="For --method constant.")] = None,
    options: Annotated[
        int | None, typer.Option(help="Number of options, for constant and identity.")
    ] = None,
    activate: Annotated[bool, typer.Option(help="Let it answer at once.")] = False,
    server: Server = None,
) -> None:
    """Fit a calibrator for a model and task."""
    try:
        items = read_examples(questions) if questions else []
        worked = read_examples(shots) if shots else []
    except FileError as error:
        fail(str(error))
    with connected(server) as client, progress_bar("fitting") as bar:
        row = bar.add_task("", total=None)
        calibrator = client.fit(
            items,
            model=model,
            task=task,
            method=method,
            format=answer_format,
            shots=worked,
            teacher=teacher,
            temperature=temperature,
            options=options,
            activate=activate,
            progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    temperature_found = f"T = {calibrator.temperature:.4f}{trust(calibrator)}"
    out.print(f"{calibrator.name}: {temperature_found}, {_state(calibrator)}")


@calibrators_app.command("list")
def list_calibrators(
    model: ModelName,
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only of this task.")] = None,
    server: Server = None,
) -> None:
    """Show a model's calibrators, the newest first."""
    with connected(server) as client:
        out.print(calibrators_table(client.calibrators(model, task=task)))


@calibrators_app.command()
def show(name: Name, server: Server = None) -> None:
    """Show everything about one calibrator."""
    with connected(server) as client:
        pprint(client.calibrator(name), console=out, expand_all=True)


@calibrators_app.command()
def activate(name: Name, server: Server = None) -> None:
    """Make a calibrator the one that answers in its scope."""
    with connected(server) as client:
        out.print(f"{client.activate(name).name} is active")


@calibrators_app.command()
def rollback(name: Name, server: Server = None) -> None:
    """Take back the activation of the active calibrator NAME."""
    with connected(server) as client:
        previous = client.rollback(name)
    out.print(f"{previous.name} is active again" if previous else "no calibrator is active now")


def _state(calibrator: Calibrator) -> str:
    return "active" if calibrator.active else "not active yet (trueodds calibrators activate)"
