"""`trueodds bulk`: a file of any size, scored into Parquet. Needs the extra bulk."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import MOST_CONNECTIONS, PATIENCE
from trueodds._convert import scoring as _messages
from trueodds.cli.console import (
    ModelName,
    Task,
    Wait,
    connected,
    counted,
    extras,
    fail,
    say,
    tell_low_mass,
    tell_stale,
    tell_unusable,
    whole_name,
)
from trueodds.cli.files import FileOptions, file_options
from trueodds.cli.options import score_options
from trueodds.cli.rate import rows_done
from trueodds.cli.server import Target, asks_server
from trueodds.cli.terminal import check_writable
from trueodds.errors import TrueoddsError
from trueodds.options import ScoreOptions

BAD_ROWS = 3
"""The exit status when the output is whole and some of its rows are errors."""

_MOST_SHOTS = 64


@asks_server
@file_options(short=True)
@score_options()
def bulk(
    model: ModelName,
    questions: Annotated[Path, typer.Argument(metavar="INPUT", help="JSON, CSV or Parquet.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The Parquet file to write.")],
    task_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of each row's task, instead of --task.")
    ] = None,
    task: Task = "",
    shots: Annotated[
        Path | None, typer.Option(help="Worked examples: a file like INPUT, with answers.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the next answer.")
    ] = PATIENCE,
    connections: Annotated[
        int, typer.Option(min=1, max=MOST_CONNECTIONS, help="How many, with several gateways.")
    ] = 1,
    wait: Wait = 0.0,
    *,
    server: Target,
    asked: ScoreOptions,
    files: FileOptions,
) -> None:
    """Score a whole file into Parquet: resumed after any interruption, bad rows reported.

    Columns are found by the layouts of common benchmarks, and the choice is printed; what is
    uncertain is refused, with the option that decides. What is finished is kept in OUTPUT.parts:
    run the same command again to go on. The exit status is 3 when the output is whole and some
    rows are errors, and 1 when it is not whole.

    Example: trueodds bulk demo-aligned questions.jsonl -o answers.parquet --task reviews
    """
    if output.suffix.lower() != ".parquet":
        raise typer.BadParameter("the output is Parquet: name it so", param_hint="--output")
    check_writable(output)
    with (
        extras("bulk"),
        connected(server, timeout, wait=wait, model=model, connections=connections) as client,
        ExitStack() as stack,
    ):
        from trueodds.bulk import score_file  # noqa: PLC0415 (the extra bulk)

        opened = files.of_task(task_column).open(questions, stack)
        if files.dry_run:
            typer.echo(opened.preview())
            return
        say(opened.told())
        try:
            asked["shots"] = files.shots(shots, stack, opened.columns, _MOST_SHOTS)
            if calibrator := asked["calibrator"]:
                asked["calibrator"] = whole_name(client, model, calibrator)
            settings = _messages.settings_message(model, task, **asked)
            with rows_done(opened.source.count) as progress:
                done = score_file(client, opened.source, opened.columns, output, settings, progress)
        except OSError as error:
            if isinstance(error, TrueoddsError):
                raise
            fail(f"{error.filename or output}: {error.strerror or error}")
        except KeyboardInterrupt:
            say("stopped; the same command goes on from here")
            raise typer.Exit(130) from None
    resumed = f", {done.resumed:,} of them from before" if done.resumed else ""
    rows, errors = counted(done.rows, "row"), counted(done.errors, "error")
    say(f"{output}: {rows}{resumed}; {errors}")
    tell_unusable(done.unusable, done.first_unusable)
    tell_low_mass(done.low_mass, done.rows - done.errors)
    tell_stale(done.stale, done.rows - done.errors)
    if done.errors:
        raise typer.Exit(BAD_ROWS)
