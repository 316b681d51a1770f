"""`trueodds score`: a file of questions, or one from the command line."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from trueodds._channel import TIMEOUT
from trueodds.cli.console import (
    ModelName,
    Shots,
    Task,
    Wait,
    connected,
    extras,
    progress_bar,
    say,
    tell_low_mass,
    tell_stale,
)
from trueodds.cli.files import FileOptions, check_stdin, file_options
from trueodds.cli.options import score_options
from trueodds.cli.printer import Printer
from trueodds.cli.server import Target, asks_server
from trueodds.files import Item
from trueodds.options import ScoreOptions
from trueodds.question import Question


@asks_server
@file_options()
@score_options(details=True)
def score(
    model: ModelName,
    questions: Annotated[
        Path | None, typer.Argument(help="Questions: JSON, CSV or Parquet; - for stdin.")
    ] = None,
    question: Annotated[str | None, typer.Option("--question", "-q", help="One question.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="Its options, one each.")
    ] = None,
    task: Task = "",
    shots: Shots = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="The service keeps each answer by its id, for `outcomes`."),
    ] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Tables for people, not JSON Lines.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that a message may take.")
    ] = TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    asked: ScoreOptions,
    files: FileOptions,
) -> None:
    """Score a file of questions, or one question given with -q and -o.

    Prints a JSON object for each, in order and as it comes: an answer, or {"error": …}; a logprob
    of -inf is null. The exit status is 1 when there is an error among them.

    A line of the file: {"question": "Is tin a metal?", "options": ["yes", "no"]}. It may also
    have "passage", "labels", an "id", which is printed again, and "answer", which is not read.
    Instead of "question" it may have a whole "prompt", or "messages" for the model's chat
    template.

    Example: trueodds score demo-aligned -q "Is tin a metal?" -o yes -o no --table
    """
    if (questions is None) == (question is None) or (option and question is None):
        raise typer.BadParameter("give a file of questions, or one with -q and -o")
    check_stdin(questions, shots)
    with (
        extras("bulk"),
        connected(server, timeout, wait=wait, model=model) as client,
        ExitStack() as stack,
    ):
        items = [Item(_question(question, option or []))] if question is not None else []
        columns = None
        if questions is not None:
            opened = files.open(questions, stack, answers=files.dry_run)
            if files.dry_run:
                typer.echo(opened.preview())
                return
            items, columns = opened.items(), opened.columns
            if not opened.is_plain():
                say(opened.told())
        asked["shots"] = files.shots(shots, stack, columns)
        if keep:
            items = list(_kept(items))
        printer = Printer(items, table=table, with_set=asked["answer_set"] is not None)
        with progress_bar("scoring", prints=True) as progress:
            client.score_batch(
                printer.asked,
                model=model,
                task=task,
                **asked,
                progress=progress,
                on_outcome=printer.on_outcome,
            )
        printer.finish()
    tell_low_mass(printer.low_mass, printer.answers)
    tell_stale(printer.stale, printer.answers)
    if printer.failed:
        raise typer.Exit(1)


def _question(text: str, options: list[str]) -> Question:
    try:
        return Question(text, options)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _kept(items: Iterable[Item]) -> Iterator[Item]:
    """With each row's id as that of its answer: the second of two would take the first's place."""
    places: dict[str, str] = {}
    for item in items:
        if item.question is None:
            yield item
            continue
        place = item.place or "the question"
        if item.id is None:
            raise typer.BadParameter(f"{place} has no id", param_hint="--keep")
        if (first := places.setdefault(item.id, place)) != place:
            raise typer.BadParameter(f"{place} has the id of {first}", param_hint="--keep")
        yield replace(item, question=replace(item.question, answer_id=item.id))
