"""`trueodds outcomes`: the truth, later."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import Wait, connected, out, say
from trueodds.cli.files import lines_of
from trueodds.cli.server import Target, asks_server
from trueodds.drift import Outcome
from trueodds.files.json_file import NamedTwice, named_once


@asks_server
def outcomes(
    file: Annotated[
        Path,
        typer.Argument(help="Answers and the options that were right: JSON Lines; - for stdin."),
    ],
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Tell which options of answered questions were right.

    A line of the file: {"receipt": "…", "answer": 2}, or {"id": "…", "answer": 2}. The receipt is
    that of an answer of `trueodds score --receipts`, the id that of a row of `score --keep`; the
    answer is the index of the right option, from 0, and null where nobody knows. Other fields are
    not read. What was told before may be told again, and corrected.

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


def _outcomes(lines: Iterable[str]) -> Iterator[Outcome]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _outcome(line, f"line {number}")


def _outcome(line: str, place: str) -> Outcome:
    try:
        row = json.loads(line, object_pairs_hook=named_once)
    except NamedTwice as error:
        raise typer.BadParameter(f"{place}: {error}") from None
    except (json.JSONDecodeError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise typer.BadParameter(f"{place}: is no JSON object")
    if "receipt" not in row and "id" not in row:
        raise typer.BadParameter(f"{place}: has no 'receipt' and no 'id'")
    if "answer" not in row:
        raise typer.BadParameter(f"{place}: has no 'answer'")
    option = row["answer"]
    try:
        Outcome(b"", option)
    except (TypeError, ValueError):
        raise typer.BadParameter(f"{place}: answer: is the index of an option, or null") from None
    if "receipt" not in row:
        return Outcome(_id(row["id"], place), option)
    try:
        receipt = base64.b64decode(row["receipt"], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise typer.BadParameter(f"{place}: receipt: is not as an answer had it") from None
    return Outcome(receipt, option)


def _id(value: object, place: str) -> str:
    """As rows of questions have it: a text, or a whole number."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise typer.BadParameter(f"{place}: id: is a text, or a whole number")
