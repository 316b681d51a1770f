"""`trueodds outcomes` and `trueodds drift`: the truth, later."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from trueodds.cli.console import Wait, connected, out, say
from trueodds.cli.files import lines_of
from trueodds.cli.server import Target, asks_server
from trueodds.cli.tables import estimate_text
from trueodds.drift import Drift, Outcome, Period, Promise

SAID = {
    Promise.TOO_HIGH: "confidences are too high",
    Promise.TOO_LOW: "confidences are too low",
    Promise.MISCALIBRATED: "confidences are wrong somewhere",
    Promise.WORSE_THAN_RAW: "raw probabilities are better",
    Promise.SHIFTED: "confidences are others than at first",
}
_METRICS = ("accuracy", "confidence", "ece", "null_ece", "brier", "nll")


@asks_server
def outcomes(
    file: Annotated[
        Path,
        typer.Argument(help="Receipts and the options that were right: JSON Lines; - for stdin."),
    ],
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Tell which options of answered questions were right.

    A line of the file: {"receipt": "…", "answer": 2}. The receipt is that of an answer of `trueodds
    score --receipts`; the answer is the index of the right option, from 0, and null where nobody
    knows. Other fields are not read. What was told before may be told again, and corrected.

    Example: trueodds outcomes outcomes.jsonl
    """
    told = list(_outcomes(lines_of(file)))
    with connected(server, wait=wait) as client:
        found = client.record_outcomes(told)
    out.print(f"{found.recorded} new, {found.corrected} corrected, {found.unchanged} known already")
    for _, error in found.errors:
        say(str(error))
    if found.errors:
        raise typer.Exit(1)


@asks_server
def drift(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="As of `trueodds calibrators get`.")
    ] = "",
    model: Annotated[
        str, typer.Option(help="Without a name: the model whose active calibrator it is.")
    ] = "",
    task: Annotated[str, typer.Option(help="And its task; the model's default without.")] = "",
    window: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many of the newest outcomes; 1000.")
    ] = None,
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Show whether a calibrator keeps its promise, by the outcomes of its answers.

    The exit status is 1 where a promise is broken. Look as often as you like: while all is well, an
    alarm ever comes with a probability of at most alpha.

    Example: trueodds drift models/demo-aligned/calibrators/0f3a

    Example: trueodds drift --model models/demo-aligned --task reviews
    """
    with connected(server, wait=wait) as client:
        found = client.drift(name, model=model, task=task, window=window)
    if found.since_first is not None and found.window is not None:
        out.print(_metrics(found.since_first, found.window))
    out.print(_tests(found))
    if found.alarms:
        raise typer.Exit(1)


def _outcomes(lines: Iterable[str]) -> Iterator[Outcome]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _outcome(line, f"line {number}")


def _outcome(line: str, place: str) -> Outcome:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise typer.BadParameter(f"{place}: is no JSON object")
    for name in ("receipt", "answer"):
        if name not in row:
            raise typer.BadParameter(f"{place}: has no {name!r}")
    option = row["answer"]
    # A truth value is an int to Python, and never meant as one.
    if isinstance(option, bool) or not (option is None or isinstance(option, int)):
        raise typer.BadParameter(f"{place}: answer: is the index of an option, or null")
    try:
        receipt = base64.b64decode(row["receipt"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise typer.BadParameter(f"{place}: receipt: is not as an answer had it") from None
    return Outcome(receipt, option)


def _metrics(since_first: Period, window: Period) -> Table:
    table = Table(
        "metric", f"the newest {window.outcomes}", "raw", f"all {since_first.outcomes}", "raw"
    )
    told = (window.after, window.before, since_first.after, since_first.before)
    for name in _METRICS:
        table.add_row(name, *(estimate_text(each.metrics.get(name), 3) for each in told))
    return table


def _tests(found: Drift) -> Table:
    alphas = {each.alpha for each in found.tests}
    title = f"{found.outcomes} outcomes, {found.unknown} unknown; alpha {min(alphas, default=0):g}"
    table = Table("evidence that", "towards an alarm", "alarm", title=title)
    for each in found.tests:
        table.add_row(
            SAID[each.promise],
            f"{each.share_of_alarm:.0%}",
            f"after {each.alarm_at}" if each.alarm else "no",
        )
    return table
