"""`trueodds report`: what a calibrator does, to be read before it is activated."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import FIT_TIMEOUT
from trueodds.cli.console import CALIBRATOR, ProbabilityStep, Shots, Wait, extras, fail, say
from trueodds.cli.files import STDIN, FileOptions, file_options
from trueodds.cli.measuring import QUESTIONS, Miscoverages, TargetRisks, Timeout, measured
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.terminal import check_writable
from trueodds.evaluation import Report
from trueodds.reading import Reading
from trueodds.report import pictures, render
from trueodds.report.png import png
from trueodds.report.verdict import verdict


@asks_server
@file_options()
@reading_options
def report(
    context: typer.Context,
    calibrator: Annotated[str | None, CALIBRATOR] = None,
    questions: Annotated[Path | None, QUESTIONS] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    svg: Annotated[Path | None, typer.Option(help="A folder for the figures as SVG.")] = None,
    png_folder: Annotated[
        Path | None, typer.Option("--png", help="A folder for the figures as PNG.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for the numbers.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Draw these numbers, - for stdin; asks no server.")
    ] = None,
    target_risk: TargetRisks = None,
    miscoverage: Miscoverages = None,
    shots: Shots = None,
    probability_step: ProbabilityStep = 0.0,
    timeout: Timeout = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
    files: FileOptions,
) -> None:
    """Measure a calibrator as `trueodds evaluate` does, and draw a page to decide by.

    The questions should not be those of the fit. `trueodds score --help` shows a line of the
    file; each needs its "answer". --from draws again what --json wrote.

    Example: trueodds report models/demo-aligned/calibrators/0f3a labelled.jsonl -o report.html
    """
    if context.args:
        told = " ".join([str(questions), *context.args])
        raise typer.BadParameter(f"MODEL is no argument any more: trueodds report {told}")
    folders = [folder / "figure" for folder in (svg, png_folder) if folder]
    check_writable(output, json, *folders)
    found: Report | None
    if source is not None and calibrator is None:
        found = _read(source)
    elif source is not None or calibrator is None or questions is None:
        raise typer.BadParameter("give CALIBRATOR and QUESTIONS, or --from")
    else:
        found = measured(
            calibrator,
            questions,
            shots,
            files,
            server,
            timeout=timeout,
            wait=wait,
            of_cascades=False,
            reading=reading,
            target_risks=target_risk or (),
            miscoverages=miscoverage or (),
            probability_step=probability_step,
        )
    if found is None:
        return
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
