"""`trueodds report`: what a calibrator does, to be read before it is activated."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import FIT_TIMEOUT
from trueodds.cli.console import (
    ProbabilityStep,
    Shots,
    Wait,
    calibrator_name,
    connected,
    extras,
    fail,
    progress_bar,
    say,
)
from trueodds.cli.files import STDIN, FileOptions, file_options, measured
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.terminal import check_writable
from trueodds.evaluation import Report
from trueodds.report import pictures, render
from trueodds.report.png import png
from trueodds.report.verdict import verdict
from trueodds.types import Reading


@asks_server
@file_options()
@reading_options
def report(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="The model.")] = None,
    calibrator: Annotated[
        str | None, typer.Argument(metavar="CALIBRATOR", help="Its name, or the last part of it.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Argument(
            metavar="QUESTIONS", help="With answers: JSON, CSV or Parquet; - for stdin."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    svg: Annotated[Path | None, typer.Option(help="A folder for the figures as SVG.")] = None,
    png_folder: Annotated[
        Path | None, typer.Option("--png", help="A folder for the figures as PNG.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for the numbers.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Draw these numbers, - for stdin; asks no server.")
    ] = None,
    target_risk: Annotated[
        list[float] | None, typer.Option(help="A risk to find a threshold for; repeatable.")
    ] = None,
    miscoverage: Annotated[
        list[float] | None, typer.Option(help="How often answer sets may miss; repeatable.")
    ] = None,
    shots: Shots = None,
    probability_step: ProbabilityStep = 0.0,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that the evaluation may take.")
    ] = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
    files: FileOptions,
) -> None:
    """Measure a calibrator on questions with answers, and draw a page to decide by.

    The questions should not be those of the fit. `trueodds score --help` shows a line of the
    file; each needs its "answer". Instead of questions there may be rows of scores:
    `trueodds calibrate --help` shows them. --from draws again what --json wrote.

    Example: trueodds report demo-aligned 0f3a9c81d2b4e576 labelled.jsonl -o report.html
    """
    folders = [folder / "figure" for folder in (svg, png_folder) if folder]
    check_writable(output, json, *folders)
    if source is not None and model is None:
        found = _read(source)
    elif source is not None or model is None or calibrator is None or questions is None:
        raise typer.BadParameter("give MODEL, CALIBRATOR and QUESTIONS, or --from")
    elif questions == shots == STDIN:
        raise typer.BadParameter("questions and shots cannot both come from stdin")
    else:
        with (
            extras("bulk"),
            connected(server, wait=wait, model=model) as client,
            ExitStack() as stack,
        ):
            name = calibrator_name(model, calibrator)
            if client.model(model).cascade and not files.dry_run:
                fail("there is no page of a cascade: trueodds evaluate measures it")
            if (given := measured(files, questions, stack)) is None:
                return
            worked = files.shots(shots, stack, given.columns)
            with progress_bar("measuring") as progress:
                found = client.evaluate(
                    name,
                    given.items,
                    reading=reading,
                    shots=worked,
                    target_risks=target_risk or (),
                    miscoverages=miscoverage or (),
                    probability_step=probability_step,
                    progress=progress,
                    timeout=timeout,
                )
    _write(found, output, svg, png_folder, json)
    say(" ".join(verdict(found).value))
    typer.echo(output)


def _read(path: Path) -> Report:
    name = "standard input" if path == STDIN else str(path)
    try:
        return Report.from_json(sys.stdin.buffer.read() if path == STDIN else path.read_bytes())
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}")
    except ValueError as error:
        fail(f"{name}: {error}")


def _write(
    report: Report, output: Path, svg: Path | None, png_folder: Path | None, json: Path | None
) -> None:
    drawn = pictures(report) if svg or png_folder else {}
    written: dict[Path, str | bytes] = {output: render(report)}
    if json:
        written[json] = report.to_json()
    if svg:
        written |= {svg / f"{name}.svg": picture for name, picture in drawn.items()}
    if png_folder:
        with extras("report"):
            written |= {png_folder / f"{name}.png": png(each) for name, each in drawn.items()}
    for path, content in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}")
