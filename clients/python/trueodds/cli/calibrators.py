"""`trueodds fit` and `trueodds calibrators …`."""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import FIT_TIMEOUT
from trueodds._convert.fits import DamagedCalibratorWarning, DegenerateFitWarning
from trueodds.calibrator import BiasCorrection, Calibrator, Method
from trueodds.cli.console import (
    CalibratorName,
    ModelName,
    ProbabilityStep,
    Shots,
    TargetPassedOn,
    TargetRisk,
    Task,
    Wait,
    connected,
    extras,
    model_of,
    out,
    progress_bar,
    say,
)
from trueodds.cli.files import FileOptions, check_stdin, examples, file_options, labelled
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.tables import calibrator_table, calibrators_table, temperature_text
from trueodds.files.scores import read_scores
from trueodds.question import Example
from trueodds.reading import Format, Reading
from trueodds.scores import Scores

calibrators_app = typer.Typer(
    help="List, show, activate, roll back, delete, export and import calibrators.",
    no_args_is_help=True,
)

LABELLED = {
    Method.TEMPERATURE,
    Method.KDE,
    Method.VECTOR,
    Method.MATRIX,
    Method.ISOTONIC,
    Method.BETA,
    Method.SCALING_BINNING,
    Method.CASCADE,
}
"""The methods that learn from answers alone."""

Force = Annotated[
    bool, typer.Option("--force", help="Activate it even where its fit is degenerate.")
]


@asks_server
@file_options(dry_run=False)
@reading_options
def fit(
    model: ModelName,
    questions: Annotated[
        Path | None, typer.Argument(help="Questions: JSON, CSV or Parquet; - for stdin.")
    ] = None,
    task: Task = "",
    method: Annotated[Method, typer.Option(help="How to fit; auto chooses.")] = (Method.TEACHER_KL),
    shots: Shots = None,
    teacher: Annotated[
        str | None, typer.Option(help="The pre-trained model; the configured one when left out.")
    ] = None,
    teacher_shots: Annotated[
        Path | None, typer.Option(help="What the teacher is shown instead of --shots.")
    ] = None,
    teacher_format: Annotated[
        Format | None, typer.Option(help="How the teacher answers; as the model when left out.")
    ] = None,
    bias_correction: Annotated[
        BiasCorrection, typer.Option(help="What is taken off the scores before.")
    ] = BiasCorrection.NONE,
    temperature: Annotated[
        float | None, typer.Option(help="For --method constant, from 0.001 to 1000.")
    ] = None,
    target_risk: TargetRisk = None,
    target_passed_on: TargetPassedOn = None,
    options: Annotated[
        int | None, typer.Option(min=2, max=128, help="Their number, for constant and identity.")
    ] = None,
    any_options: Annotated[
        bool,
        typer.Option("--any-options", help="One temperature for any number of options."),
    ] = False,
    probability_step: ProbabilityStep = 0.0,
    activate: Annotated[bool, typer.Option("--activate", help="Let it answer at once.")] = False,
    force: Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be stored, and store nothing.")
    ] = False,
    request_id: Annotated[
        str, typer.Option(help="Your name for this fit: repeated, it is not done again.")
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that the fit may take.")
    ] = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
    files: FileOptions,
) -> None:
    """Fit a calibrator for a model and task, and print its name.

    teacher_kl, agreement_kl and teacher_pooled need a handful of questions, constant and identity
    only --options or --any-options, the other methods questions with answers. cascade is for a
    cascade, and needs --target-risk, or questions without answers and --target-passed-on. `trueodds
    score --help` shows a line of the file. Instead of questions there may be rows of scores:
    `trueodds calibrate --help` shows them. Recorded decisions are for `trueodds fit-decisions`.

    Example: trueodds fit demo-aligned questions.jsonl --task reviews --activate
    """
    check_stdin(questions, shots)
    with extras("bulk"), connected(server, wait=wait, model=model) as client, ExitStack() as stack:
        source = None if questions is None else files.source(questions, stack)
        items: Sequence[Example | Scores] = []
        columns = None
        if source is not None and files.are_scores(source):
            items = read_scores(source)
        elif source is not None:
            opened = files.understood(source)
            if dry_run:
                say(opened.preview())
            needs_answers = method in LABELLED and target_passed_on is None
            items = (labelled if needs_answers else examples)(opened)
            columns = opened.columns
        worked = files.shots(shots, stack, columns)
        with progress_bar("fitting") as progress, warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateFitWarning)  # said below
            calibrator = client.fit(
                items,
                model=model,
                task=task,
                method=method,
                reading=reading,
                shots=worked,
                teacher=teacher,
                teacher_shots=files.shots(teacher_shots, stack, columns),
                teacher_reading=teacher_format and replace(reading, format=teacher_format),
                bias_correction=bias_correction,
                temperature=temperature,
                target_risk=target_risk,
                target_passed_on=target_passed_on,
                options=options,
                any_options=any_options,
                probability_step=probability_step,
                activate=activate,
                force=force,
                validate_only=dry_run,
                request_id=request_id,
                progress=progress,
                timeout=timeout,
            )
    if dry_run:
        out.print(calibrator_table(calibrator))
        say("a dry run: nothing is stored")
        return
    tell_fitted(calibrator)
    if activate and not calibrator.active:
        say(
            f"not activated: {calibrator.degenerate}; --force activates it all the same",
        )
        raise typer.Exit(1)


def tell_fitted(calibrator: Calibrator, what: str = "") -> None:
    """Prints a new calibrator's name, and says beside it what it is; ``what`` is what it is for."""
    state = "active" if calibrator.active else "not active; see trueodds calibrators activate"
    fitted = calibrator.method.value
    if calibrator.temperature is not None:
        fitted += f", T = {temperature_text(calibrator)}"
    if calibrator.method is Method.CASCADE and not calibrator.fallback:
        (least,) = calibrator.parameters["min_confidence"]
        share = calibrator.metrics["coverage"]
        fitted += f": {share:.0%} of the questions, from a confidence of {least:.3g} on"
    say(f"{what}{fitted}, {state}")
    if calibrator.fallback:
        say(calibrator.fallback)
    typer.echo(calibrator.name)


@calibrators_app.command("list")
@asks_server
def list_calibrators(
    model: ModelName,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help='Only of this task; "": the default.')
    ] = None,
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Show a model's calibrators, the newest first.

    Example: trueodds calibrators list demo-aligned --task reviews
    """
    with (
        connected(server, wait=wait, model=model) as client,
        warnings.catch_warnings(record=True) as damaged,
    ):
        warnings.simplefilter("always", DamagedCalibratorWarning)
        out.print(calibrators_table(client.calibrators(model, task=task)))
    for each in damaged:
        say(f"warning: {each.message}")


@calibrators_app.command()
@asks_server
def show(name: CalibratorName, wait: Wait = 0.0, *, server: Target) -> None:
    """Show everything about one calibrator.

    Example: trueodds calibrators show models/demo-aligned/calibrators/0f3a
    """
    with connected(server, wait=wait, model=model_of(name)) as client:
        out.print(calibrator_table(client.calibrator(name)))


@calibrators_app.command()
@asks_server
def activate(
    name: CalibratorName, force: Force = False, wait: Wait = 0.0, *, server: Target
) -> None:
    """Make a calibrator the one that answers in its scope.

    One whose fit is degenerate is refused unless it is forced.

    Example: trueodds calibrators activate models/demo-aligned/calibrators/0f3a
    """
    with connected(server, wait=wait, model=model_of(name)) as client:
        out.print(f"{client.activate(name, force=force).name} is active", soft_wrap=True)


@calibrators_app.command()
@asks_server
def delete(name: CalibratorName, wait: Wait = 0.0, *, server: Target) -> None:
    """Delete a calibrator that is not active.

    Example: trueodds calibrators delete models/demo-aligned/calibrators/0f3a
    """
    with connected(server, wait=wait, model=model_of(name)) as client:
        client.delete(name)
    out.print(f"{name} is deleted", soft_wrap=True)


@calibrators_app.command()
@asks_server
def rollback(name: CalibratorName, wait: Wait = 0.0, *, server: Target) -> None:
    """Take back the activation of the active calibrator: the one before answers again.

    Example: trueodds calibrators rollback models/demo-aligned/calibrators/0f3a
    """
    with connected(server, wait=wait, model=model_of(name)) as client:
        previous = client.rollback(name)
    said = f"{previous.name} is active again" if previous else "no calibrator is active now"
    out.print(said, soft_wrap=True)
