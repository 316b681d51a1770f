"""What `trueodds evaluate` and `trueodds report` share: a calibrator, measured on a file."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import Unpack

from trueodds._channel import FIT_TIMEOUT
from trueodds.calibrator import Method
from trueodds.cli.console import connected, extras, fail, model_of, progress_bar
from trueodds.cli.files import FileOptions, check_stdin, labelled
from trueodds.cli.server import Target
from trueodds.evaluation import Report
from trueodds.files.scores import read_scores
from trueodds.options import EvaluateOptions
from trueodds.question import Example
from trueodds.scores import Scores

QUESTIONS = typer.Argument(
    metavar="QUESTIONS", help="With answers: JSON, CSV or Parquet; - for stdin."
)
TargetRisks = Annotated[
    list[float] | None,
    typer.Option("--target-risk", help="A risk to find a threshold for; repeatable."),
]
Miscoverages = Annotated[
    list[float] | None,
    typer.Option("--miscoverage", help="How often answer sets may miss; repeatable."),
]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds that the evaluation may take.")]


def measured(
    calibrator: str,
    questions: Path,
    worked: Path | None,
    files: FileOptions,
    server: Target,
    *,
    timeout: float = FIT_TIMEOUT,
    wait: float = 0.0,
    of_cascades: bool = True,
    **options: Unpack[EvaluateOptions],
) -> Report | None:
    """What the service measures on a file of questions or of rows of scores; None where a dry run
    has shown it. ``worked`` is the file of the worked examples. Without ``of_cascades`` a cascade's
    calibrator ends the command.
    """
    check_stdin(questions, worked)
    with (
        extras("bulk"),
        connected(server, wait=wait, model=model_of(calibrator)) as client,
        ExitStack() as stack,
    ):
        asks = not (of_cascades or files.dry_run)
        if asks and client.calibrator(calibrator).method is Method.CASCADE:
            fail("there is no page of a cascade: trueodds evaluate measures it")
        source = files.source(questions, stack)
        items: Sequence[Example | Scores]
        columns = None
        if files.are_scores(source):
            items = read_scores(source)
            if files.dry_run:
                typer.echo(f"{len(items):,} rows of scores")
                return None
        else:
            opened = files.understood(source)
            if files.dry_run:
                typer.echo(opened.preview())
                return None
            items, columns = labelled(opened), opened.columns
        options["shots"] = files.shots(worked, stack, columns)
        with progress_bar("measuring") as progress:
            return client.evaluate(calibrator, items, progress=progress, timeout=timeout, **options)
