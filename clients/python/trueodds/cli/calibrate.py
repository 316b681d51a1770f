"""`trueodds calibrate`: a calibrator applied to scores that the caller has."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from trueodds._channel import TIMEOUT
from trueodds.cli.console import (
    ModelName,
    ProbabilityStep,
    Task,
    Wait,
    connected,
    extras,
    tell_stale,
    whole_name,
)
from trueodds.cli.files import FileOptions
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.terminal import takes_unicode
from trueodds.errors import TrueoddsError
from trueodds.files import Dialect, Wanted
from trueodds.files.scores import read_scores
from trueodds.reading import Reading
from trueodds.scores import CalibratedScores


@asks_server
@reading_options
def calibrate(
    model: ModelName,
    scores: Annotated[
        Path, typer.Argument(help="Rows of scores: JSON, CSV or Parquet; - for stdin.")
    ],
    task: Task = "",
    calibrator: Annotated[
        str | None, typer.Option(help="This calibrator rather than the active one.")
    ] = None,
    probability_step: ProbabilityStep = 0.0,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that a message may take.")
    ] = TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
) -> None:
    """Apply a calibrator to scores that you have, of this model or of another service.

    Prints a JSON object for each row, in order: what is calibrated, or {"error": …}. The exit
    status is 1 when there is an error among them.

    A line of the file: {"probabilities": [0.7, 0.3]}, or {"logprobs": [-0.4, -1.2]}, or of an
    answer of which nothing else is known {"confidence": 0.93}. `fit` and `evaluate` take the same
    with an "answer", the index of the right option, and of a confidence {"correct": true}. An
    "id" is printed again.

    Example: trueodds calibrate demo-aligned answers.jsonl --task hosted --probability-step 0.01
    """
    with extras("bulk"), connected(server, timeout, wait=wait) as client, ExitStack() as stack:
        source = FileOptions(Wanted(), Dialect()).source(scores, stack)
        rows = read_scores(source)
        alone = rows[0].confidence is not None
        outcomes = client.calibrate(
            rows,
            name=whole_name(client, model, calibrator) if calibrator else "",
            model=model,
            task=task,
            # A calibrator that is named has its own.
            reading=None if alone or calibrator else reading,
            probability_step=probability_step,
        )
        ids = [row.get("id") if isinstance(row, dict) else None for row in source.rows()]
    for own, outcome in zip(ids, outcomes, strict=True):
        named = {} if own is None else {"id": own}
        row = named | _row(outcome)
        typer.echo(json.dumps(row, ensure_ascii=not takes_unicode(), allow_nan=False))
    found = [each for each in outcomes if isinstance(each, CalibratedScores)]
    tell_stale(sum(each.calibration_stale for each in found), len(found))
    if len(found) < len(outcomes):
        raise typer.Exit(1)


def _row(outcome: CalibratedScores | TrueoddsError) -> dict[str, Any]:
    if isinstance(outcome, TrueoddsError):
        return {
            "error": {"reason": outcome.reason, "field": outcome.field, "message": str(outcome)}
        }
    row = {
        "confidence": outcome.confidence,
        "calibrated_confidence": outcome.calibrated_confidence,
        "calibrator": outcome.calibrator,
    }
    if outcome.choice is None:
        return row
    return {
        "choice": outcome.choice,
        **row,
        "probabilities": outcome.probabilities,
        "calibrated_probabilities": outcome.calibrated_probabilities,
    }
