"""`trueodds fit-decisions`: calibrators from recorded decisions, by the HTTP door."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from google.protobuf import json_format

from trueodds._channel import FIT_TIMEOUT
from trueodds._convert.calibrators import calibrator_of
from trueodds.calibrator import Calibrator, Method
from trueodds.cli.calibrators import tell_fitted
from trueodds.cli.console import (
    ModelName,
    TargetPassedOn,
    TargetRisk,
    Wait,
    at_http_door,
    say,
)
from trueodds.cli.files import STDIN, lines_of
from trueodds.cli.server import Target, asks_http
from trueodds.errors import ServiceFailed, TrueoddsError
from trueodds.v1 import calibration_pb2

_PATH = "/v1/decisions/calibrators"
_DECISION = re.compile(r"decisions\[(\d+)\]\.?")

Line = tuple[int, str]
"""A line of the file and its number, from 1."""


@asks_http
def fit_decisions(
    model: ModelName,
    decisions: Annotated[Path, typer.Argument(help="Recorded decisions: JSON Lines; - for stdin.")],
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="The task of all questions; else each has its name's."),
    ] = None,
    method: Annotated[Method, typer.Option(help="How to fit; auto chooses.")] = Method.AUTO,
    teacher: Annotated[
        str | None, typer.Option(help="The pre-trained model; the configured one when left out.")
    ] = None,
    target_risk: TargetRisk = None,
    target_passed_on: TargetPassedOn = None,
    any_options: Annotated[
        bool,
        typer.Option("--any-options", help="One temperature for any number of options."),
    ] = False,
    order: Annotated[
        Literal["as_asked", "cyclic"], typer.Option(help="As the decisions are asked.")
    ] = "as_asked",
    label_seed: Annotated[
        int | None, typer.Option(help="For decisions that are asked with one.")
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Let them answer at once.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that all fits together may take.")
    ] = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
) -> None:
    """Fit calibrators from recorded decisions, and print their names.

    There is one for each task, type and number of options that is in the file. It asks the
    server's HTTP door, for gRPC has no decisions: --http, and not --server, names it.

    A line of the file: {"input": "Where is my refund?", "questions": [{"type": "predicate",
    "name": "refund", "instructions": "Is it about money?"}], "answers": [true]}. Input and
    questions are those of /v1/decisions. The answers are true or false, a choice's value, a level's
    label or number, or null where nobody knows; methods with a teacher need none.

    Example: trueodds fit-decisions demo-aligned decisions.jsonl --method teacher_kl --activate
    """
    recorded = [*_recorded(decisions)]
    said: dict[str, Any] = {
        "model": model,
        "task": task,
        "method": method.value,
        "teacher": teacher,
        "target_risk": target_risk,
        "target_passed_on": target_passed_on,
        "any_options": any_options,
        "order": order,
        "label_seed": label_seed,
        "activate": activate,
    }
    with at_http_door(server, wait=wait, model=model) as door:
        try:
            answer = door.post(_PATH, _body(said, recorded), timeout)
        except TrueoddsError as error:
            _raise_at_line(error, recorded, decisions)
        if not (isinstance(answer, dict) and isinstance(answer.get("calibrators"), list)):
            raise ServiceFailed(f"{door.url} answers as no HTTP door of trueodds does")
    fitted = [_calibrator(each) for each in answer["calibrators"]]
    for each in fitted:
        tell_fitted(each, _scope(each))
    left = [each for each in fitted if not each.active]
    if activate and left:
        for each in left:
            say(f"not activated: {each.name}: {each.degenerate}")
        say("trueodds calibrators activate --force activates one all the same")
        raise typer.Exit(1)


def _recorded(file: Path) -> Iterator[Line]:
    """Lines that are JSON objects; what is in them the server checks."""
    for number, line in enumerate(lines_of(file), 1):
        if not line.strip():
            continue
        try:
            is_object = isinstance(json.loads(line, parse_constant=_no_json), dict)
        except (ValueError, RecursionError):
            is_object = False
        if not is_object:
            raise typer.BadParameter(f"{_name(file)}, line {number}: is no JSON object")
        yield number, line


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _body(said: dict[str, Any], recorded: list[Line]) -> bytes:
    """The lines are sent unparsed: parsing would drop keys that a line has twice."""
    told = json.dumps({name: value for name, value in said.items() if value is not None})
    lines = ",".join(line for _, line in recorded)
    return f'{told[:-1]}, "decisions": [{lines}]}}'.encode()


def _raise_at_line(error: TrueoddsError, recorded: list[Line], file: Path) -> NoReturn:
    """Raises the error with the line of the decision that it is about, if it is about one."""
    found = _DECISION.match(error.field)
    if found is None:
        raise error
    number, _ = recorded[int(found[1])]
    told = str(error).replace(found[0], "", 1)
    raise type(error)(
        f"{_name(file)}, line {number}: {told}", reason=error.reason, field=error.field
    ) from error


def _name(file: Path) -> str:
    return "standard input" if file == STDIN else str(file)


def _calibrator(told: dict[str, Any]) -> Calibrator:
    message = calibration_pb2.Calibrator()
    json_format.ParseDict(told, message, ignore_unknown_fields=True)
    return calibrator_of(message)


def _scope(calibrator: Calibrator) -> str:
    """What it is for, in words."""
    kind = calibrator.reading.partition("+")[0]
    options = f"{calibrator.options} options" if calibrator.options else "any number of options"
    task = f"task {calibrator.task!r}" if calibrator.task else "the default task"
    return f"{task}, {kind} of {options}: "
