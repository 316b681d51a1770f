"""`trueodds score`: a file of questions, or one from the command line."""

import json
import math
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
    connected,
    out,
    progress_bar,
)
from trueodds.cli.files import STDIN, read_examples
from trueodds.cli.tables import answer_table
from trueodds.errors import TrueoddsError
from trueodds.types import (
    Answer,
    AnswerSetRule,
    Format,
    Normalization,
    OrderCorrection,
    Question,
    Reading,
)


def score(
    model: ModelName,
    questions: Annotated[
        Path | None, typer.Argument(help="Questions, JSON Lines; - for stdin.")
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
) -> None:
    """Score a file of questions, or one question given with -q and -o.

    Prints a JSON object for each, in order: an answer, or {"error": …}; a logprob of -inf is
    null. The exit status is 1 when there is an error among them.

    A line of the file: {"question": "Is tin a metal?", "options": ["yes", "no"]}. It may also
    have "passage", "labels", and "answer", which is not read. Instead of "question" it may have
    a whole "prompt", or "messages" for the model's chat template.

    Example: trueodds score demo-aligned -q "Is tin a metal?" -o yes -o no --table
    """
    if (questions is None) == (question is None) or (option and question is None):
        raise typer.BadParameter("give a file of questions, or one with -q and -o")
    if questions == shots == STDIN:
        raise typer.BadParameter("questions and shots cannot both come from stdin")
    with connected(server, timeout) as client:
        worked = read_examples(shots)
        asked = (
            [example.question for example in read_examples(questions)]
            if question is None
            else [_question(question, option or [])]
        )
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
    for each, outcome in zip(asked, outcomes, strict=True):
        if table:
            out.print(answer_table(each, outcome))
        else:
            row = _row(outcome, with_set=answer_set is not None)
            typer.echo(json.dumps(row, ensure_ascii=False, allow_nan=False))
    if any(isinstance(outcome, TrueoddsError) for outcome in outcomes):
        raise typer.Exit(1)


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
