"""`trueodds bulk`: a file of any size, scored into Parquet. Needs the extra bulk."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds import _messages
from trueodds._channel import PATIENCE
from trueodds.cli.console import (
    AnswerFormat,
    AnswerSet,
    CalibratorName,
    MinConfidence,
    MinOptionMass,
    ModelName,
    Normalized,
    Order,
    Server,
    Task,
    Unconditional,
    Variants,
    connected,
    err,
    extras,
    fail,
)
from trueodds.cli.rate import rows_done
from trueodds.errors import TrueoddsError
from trueodds.types import (
    AnswerSetRule,
    Format,
    Normalization,
    OrderCorrection,
    Reading,
)

BAD_ROWS = 3
"""The exit status when the output is whole and some of its rows are errors."""

_MOST_SHOTS = 64


def bulk(
    model: ModelName,
    questions: Annotated[Path, typer.Argument(metavar="INPUT", help="JSONL, CSV or Parquet.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The Parquet file to write.")],
    question: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of the question.")
    ] = None,
    options: Annotated[
        str | None,
        typer.Option(metavar="COLUMN[,COLUMN…]", help="Of the options: one, or one each."),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help='Of the right option, which is not asked; "": none.'),
    ] = None,
    passage: Annotated[
        str | None, typer.Option(metavar="COLUMN", help='Of the text before; "": none.')
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help='Copied to the output; "": none.')
    ] = None,
    task_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of each row's task, instead of --task.")
    ] = None,
    first_answer: Annotated[
        int | None, typer.Option(min=0, help="The number of the first option in the answers.")
    ] = None,
    task: Task = "",
    answer_format: AnswerFormat = Format.PAREN,
    normalization: Normalized = Normalization.SUM,
    unconditional_prompt: Unconditional = None,
    order: Order = OrderCorrection.NONE,
    sum_variants: Variants = False,
    min_option_mass: MinOptionMass = 0.0,
    min_confidence: MinConfidence = 0.0,
    answer_set: AnswerSet = None,
    shots: Annotated[
        Path | None, typer.Option(help="Worked examples: a file like INPUT, with answers.")
    ] = None,
    calibrator: CalibratorName = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the next answer.")
    ] = PATIENCE,
    server: Server = None,
) -> None:
    """Score a whole file into Parquet: resumed after any interruption, bad rows reported.

    Columns are found by the layouts of common benchmarks, and the choice is printed; the options
    name what is found wrongly. What is finished is kept in OUTPUT.parts: run the same command
    again to go on. The exit status is 3 when the output is whole and some rows are errors, and 1
    when it is not whole.

    Example: trueodds bulk demo-aligned questions.jsonl -o answers.parquet --task reviews
    """
    if output.suffix.lower() != ".parquet":
        raise typer.BadParameter("the output is Parquet: name it so", param_hint="--output")
    with extras("bulk"), connected(server, timeout) as client:
        from trueodds import bulk as files  # noqa: PLC0415 (the extra bulk)

        try:
            source = files.open_source(questions)
            wanted = files.Wanted(
                question=question,
                options=options.split(",") if options else (),
                answer=answer,
                passage=passage,
                id=id_column,
                task=task_column,
                first_answer=first_answer,
            )
            columns = files.find_columns(source.rows(), wanted)
            err.print(str(columns), soft_wrap=True)
            settings = _messages.settings_message(
                model,
                task,
                Reading(answer_format, normalization, unconditional_prompt, sum_variants, order),
                files.read_shots(files.open_source(shots), columns, _MOST_SHOTS) if shots else (),
                calibrator,
                min_option_mass,
                0,
                min_confidence,
                answer_set and AnswerSetRule(*answer_set),
            )
            with rows_done(source.count) as progress:
                done = files.score_file(client, source, columns, output, settings, progress)
        except files.BulkError as error:
            fail(str(error))
        except OSError as error:
            if isinstance(error, TrueoddsError):
                raise
            fail(f"{error.filename or output}: {error.strerror or error}")
        except KeyboardInterrupt:
            err.print("stopped; the same command goes on from here", soft_wrap=True)
            raise typer.Exit(130) from None
    resumed = f", {done.resumed:,} of them from before" if done.resumed else ""
    err.print(f"{output}: {done.rows:,} rows{resumed}; {done.errors:,} errors", soft_wrap=True)
    if done.errors:
        raise typer.Exit(BAD_ROWS)
