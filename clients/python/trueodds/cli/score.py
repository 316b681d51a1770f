"""`trueodds score`: a file of questions, or one from the command line."""

import json
import math
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from trueodds._channel import TIMEOUT
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
    Shots,
    Task,
    Unconditional,
    Variants,
    Wait,
    connected,
    err,
    extras,
    out,
    progress_bar,
)
from trueodds.cli.files import STDIN, FileOptions, file_options
from trueodds.cli.tables import answer_table
from trueodds.cli.terminal import takes_unicode
from trueodds.errors import InvalidRequest, TrueoddsError
from trueodds.files import Item
from trueodds.types import (
    Answer,
    AnswerSetRule,
    Format,
    Normalization,
    OrderCorrection,
    Question,
    Reading,
)


@file_options()
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
    answer_format: AnswerFormat = Format.PAREN,
    normalization: Normalized = Normalization.SUM,
    unconditional_prompt: Unconditional = None,
    order: Order = OrderCorrection.NONE,
    sum_variants: Variants = False,
    min_option_mass: MinOptionMass = 0.0,
    min_confidence: MinConfidence = 0.0,
    answer_set: AnswerSet = None,
    top_tokens: Annotated[
        int, typer.Option(min=0, max=20, help="Tell so many of the likeliest tokens.")
    ] = 0,
    shots: Shots = None,
    calibrator: CalibratorName = None,
    table: Annotated[
        bool, typer.Option("--table", help="Tables for people, not JSON Lines.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that a message may take.")
    ] = TIMEOUT,
    server: Server = None,
    wait: Wait = 0.0,
    *,
    files: FileOptions,
) -> None:
    """Score a file of questions, or one question given with -q and -o.

    Prints a JSON object for each, in order: an answer, or {"error": …}; a logprob of -inf is
    null. The exit status is 1 when there is an error among them.

    A line of the file: {"question": "Is tin a metal?", "options": ["yes", "no"]}. It may also
    have "passage", "labels", an "id", which is printed again, and "answer", which is not read.
    Instead of "question" it may have a whole "prompt", or "messages" for the model's chat
    template.

    Example: trueodds score demo-aligned -q "Is tin a metal?" -o yes -o no --table
    """
    if (questions is None) == (question is None) or (option and question is None):
        raise typer.BadParameter("give a file of questions, or one with -q and -o")
    if questions == shots == STDIN:
        raise typer.BadParameter("questions and shots cannot both come from stdin")
    with (
        extras("bulk"),
        connected(server, timeout, wait=wait, model=model) as client,
        ExitStack() as stack,
    ):
        items = [Item(_question(question, option or []))] if question is not None else []
        asked_columns = None
        if questions is not None:
            opened = files.open(questions, stack, answers=files.dry_run)
            if files.dry_run:
                typer.echo(opened.preview())
                return
            items, asked_columns = opened.items(), opened.columns
            if not opened.is_plain():
                err.print(opened.told(), soft_wrap=True)
        worked = files.shots(shots, stack, asked_columns)
        asked = [item.question for item in items if item.question is not None]
        with progress_bar("scoring") as progress:
            outcomes = client.score_batch(
                asked,
                model=model,
                task=task,
                reading=Reading(
                    answer_format, normalization, unconditional_prompt, sum_variants, order
                ),
                shots=worked,
                calibrator=calibrator,
                min_option_mass=min_option_mass,
                min_confidence=min_confidence,
                answer_set=answer_set and AnswerSetRule(*answer_set),
                top_tokens=top_tokens,
                progress=progress,
            )
    scored = iter(outcomes)
    failed = False
    for item in items:
        outcome = _bad_row(item) if item.question is None else next(scored)
        failed = failed or isinstance(outcome, TrueoddsError)
        if table:
            out.print(answer_table(item.question or Question(), outcome))
        else:
            row = _row(outcome, with_set=answer_set is not None)
            named = {} if item.id is None else {"id": item.id}
            typer.echo(json.dumps(named | row, ensure_ascii=not takes_unicode(), allow_nan=False))
    if failed:
        raise typer.Exit(1)


def _bad_row(item: Item) -> TrueoddsError:
    """A row that is no question has its error in its place."""
    field = "" if item.error is None else item.error.field
    return InvalidRequest(f"{item.place}: {item.error}", reason="BAD_ROW", field=field)


def _question(text: str, options: list[str]) -> Question:
    try:
        return Question(text, options)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _row(outcome: Answer | TrueoddsError, *, with_set: bool) -> dict[str, Any]:
    if isinstance(outcome, TrueoddsError):
        return {
            "error": {"reason": outcome.reason, "field": outcome.field, "message": str(outcome)}
        }
    logprobs = [option.logprob for option in outcome.options]
    top = [{"text": token.text, "logprob": token.logprob} for token in outcome.top_tokens]
    return {
        "choice": outcome.choice,
        "label": outcome.options[outcome.choice].label,
        "confidence": outcome.confidence,
        "calibrated_confidence": outcome.calibrated_confidence,
        "probabilities": [option.probability for option in outcome.options],
        "calibrated_probabilities": [option.calibrated_probability for option in outcome.options],
        # JSON has no infinity.
        "logprobs": [logprob if math.isfinite(logprob) else None for logprob in logprobs],
        "format_probability": outcome.format_probability,
        "option_mass": outcome.option_mass,
        "entropy": outcome.entropy,
        "abstained": outcome.abstained,
        **({"answer_set": list(outcome.answer_set)} if with_set else {}),
        "calibrator": outcome.calibrator,
        "identity": asdict(outcome.identity),
        **({"top_tokens": top} if top else {}),
    }
