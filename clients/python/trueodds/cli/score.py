"""`trueodds score`: one question from the command line, or a file of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from trueodds.cli.console import ModelName, Server, Task, connected, fail, out, progress_bar
from trueodds.cli.files import FileError, read_examples
from trueodds.errors import TrueoddsError
from trueodds.types import Answer, Format, Question


def score(
    model: ModelName,
    questions: Annotated[Path | None, typer.Argument(help="Questions, JSON Lines.")] = None,
    question: Annotated[str | None, typer.Option("--question", "-q", help="One question.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="Its options, one each.")
    ] = None,
    task: Task = "",
    answer_format: Annotated[Format, typer.Option("--format", help="How the model answers.")] = (
        Format.PAREN
    ),
    shots: Annotated[Path | None, typer.Option(help="Worked examples, JSON Lines.")] = None,
    calibrator: Annotated[
        str | None, typer.Option(help="This calibrator rather than the active one.")
    ] = None,
    server: Server = None,
) -> None:
    """Score questions: a file (JSON Lines in, JSON Lines out), or one with -q and -o."""
    if (questions is None) == (question is None):
        fail("give a file of questions, or one with -q and -o")
    try:
        worked = read_examples(shots) if shots else []
        asked = (
            [example.question for example in read_examples(questions)]
            if questions
            else [Question(question or "", tuple(option or ()))]
        )
    except FileError as error:
        fail(str(error))
    with connected(server) as client, progress_bar("scoring") as bar:
        row = bar.add_task("", total=len(asked))
        outcomes = client.score_batch(
            asked,
            model=model,
            task=task,
            format=answer_format,
            shots=worked,
            calibrator=calibrator,
            progress=lambda done, _: bar.update(row, completed=done),
        )
        if questions is None and isinstance(outcomes[0], TrueoddsError):
            raise outcomes[0]
    if questions is None and isinstance(outcomes[0], Answer):
        out.print(_table(asked[0], outcomes[0]))
        return
    for outcome in outcomes:
        typer.echo(json.dumps(_row(outcome), ensure_ascii=False))
    if any(isinstance(outcome, TrueoddsError) for outcome in outcomes):
        raise typer.Exit(2)


def _row(outcome: Answer | TrueoddsError) -> dict[str, Any]:
    if isinstance(outcome, TrueoddsError):
        return {
            "error": {"reason": outcome.reason, "field": outcome.field, "message": str(outcome)}
        }
    return {
        "choice": outcome.choice,
        "label": outcome.options[outcome.choice].label,
        "confidence": outcome.confidence,
        "calibrated_confidence": outcome.calibrated_confidence,
        "probabilities": [option.probability for option in outcome.options],
        "calibrated_probabilities": [option.calibrated_probability for option in outcome.options],
        "logprobs": [option.logprob for option in outcome.options],
        "format_probability": outcome.format_probability,
        "option_mass": outcome.option_mass,
        "calibrator": outcome.calibrator,
        "model_revision": outcome.model_revision,
    }


def _table(question: Question, answer: Answer) -> Table:
    caption = (
        f"p(format) {answer.format_probability:.3f} · option mass {answer.option_mass:.3f} · "
        + (answer.calibrator or "not calibrated")
    )
    table = Table("", "option", "raw", "calibrated", caption=caption, caption_justify="left")
    for index, (text, option) in enumerate(zip(question.options, answer.options, strict=True)):
        table.add_row(
            option.label,
            text,
            f"{option.probability:.1%}",
            f"{option.calibrated_probability:.1%}",
            style="bold" if index == answer.choice else None,
        )
    return table
