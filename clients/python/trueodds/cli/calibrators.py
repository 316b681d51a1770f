"""`trueodds fit` and `trueodds calibrators …`."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import FIT_TIMEOUT
from trueodds.cli.console import (
    AnswerFormat,
    ModelName,
    Normalized,
    Order,
    Server,
    Shots,
    Task,
    Unconditional,
    Variants,
    connected,
    err,
    out,
    progress_bar,
)
from trueodds.cli.files import STDIN, read_examples
from trueodds.cli.tables import calibrator_table, calibrators_table, temperature_text
from trueodds.types import Format, Method, Normalization, OrderCorrection, Reading

calibrators_app = typer.Typer(
    help="List, show, activate and roll back calibrators.", no_args_is_help=True
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The calibrator, models/MODEL/calibrators/ID.")
]


def fit(
    model: ModelName,
    questions: Annotated[
        Path | None, typer.Argument(help="Questions, JSON Lines; - for stdin.")
    ] = None,
    task: Task = "",
    method: Annotated[Method, typer.Option(help="How to find the temperature.")] = (
        Method.TEACHER_KL
    ),
    answer_format: AnswerFormat = Format.PAREN,
    normalization: Normalized = Normalization.SUM,
    unconditional_prompt: Unconditional = None,
    order: Order = OrderCorrection.NONE,
    sum_variants: Variants = False,
    shots: Shots = None,
    teacher: Annotated[
        str | None, typer.Option(help="The pre-trained model; the configured one when left out.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="For --method constant, from 0.05 to 20.")
    ] = None,
    options: Annotated[
        int | None, typer.Option(min=2, max=128, help="Their number, for constant and identity.")
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Let it answer at once.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that the fit may take.")
    ] = FIT_TIMEOUT,
    server: Server = None,
) -> None:
    """Fit a calibrator for a model and task, and print its name.

    teacher_kl needs a handful of questions, temperature questions with answers; constant and
    identity need --options only. `trueodds score --help` shows a line of the file.

    Example: trueodds fit demo-aligned questions.jsonl --task reviews --activate
    """
    if questions == shots == STDIN:
        raise typer.BadParameter("questions and shots cannot both come from stdin")
    with connected(server) as client:
        items, worked = read_examples(questions), read_examples(shots)
        with progress_bar("fitting") as progress:
            calibrator = client.fit(
                items,
                model=model,
                task=task,
                method=method,
                reading=Reading(
                    answer_format, normalization, unconditional_prompt, sum_variants, order
                ),
                shots=worked,
                teacher=teacher,
                temperature=temperature,
                options=options,
                activate=activate,
                progress=progress,
                timeout=timeout,
            )
    state = "active" if calibrator.active else "not active; see trueodds calibrators activate"
    err.print(f"T = {temperature_text(calibrator)}, {state}", soft_wrap=True)
    typer.echo(calibrator.name)


@calibrators_app.command("list")
def list_calibrators(
    model: ModelName,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help='Only of this task; "": the default.')
    ] = None,
    server: Server = None,
) -> None:
    """Show a model's calibrators, the newest first.

    Example: trueodds calibrators list demo-aligned --task reviews
    """
    with connected(server) as client:
        out.print(calibrators_table(client.calibrators(model, task=task)))


@calibrators_app.command()
def show(name: Name, server: Server = None) -> None:
    """Show everything about one calibrator.

    Example: trueodds calibrators show models/demo-aligned/calibrators/0f3a
    """
    with connected(server) as client:
        out.print(calibrator_table(client.calibrator(name)))


@calibrators_app.command()
def activate(name: Name, server: Server = None) -> None:
    """Make a calibrator the one that answers in its scope.

    Example: trueodds calibrators activate models/demo-aligned/calibrators/0f3a
    """
    with connected(server) as client:
        out.print(f"{client.activate(name).name} is active", soft_wrap=True)


@calibrators_app.command()
def rollback(name: Name, server: Server = None) -> None:
    """Take back the activation of the active calibrator NAME: the one before answers again.

    Example: trueodds calibrators rollback models/demo-aligned/calibrators/0f3a
    """
    with connected(server) as client:
        previous = client.rollback(name)
    said = f"{previous.name} is active again" if previous else "no calibrator is active now"
    out.print(said, soft_wrap=True)
