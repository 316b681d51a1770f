"""What the commands share: output, errors, progress, and the options of many."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from trueodds._channel import TIMEOUT
from trueodds._convert.calibrators import calibrator_parts
from trueodds._convert.models import model_name
from trueodds._http import HttpDoor
from trueodds.cli.server import Target
from trueodds.client import Client
from trueodds.errors import TrueoddsError
from trueodds.files import FileError

# Questions and names are printed unchanged. A table that nobody looks at is not cut to a terminal's
# width.
out = Console(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 240
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model; SMALL+LARGE answer in turn.")
]
CALIBRATOR = typer.Argument(
    metavar="CALIBRATOR",
    help="Its name, models/MODEL/calibrators/ID, or ID, or what begins no other ID.",
)
CalibratorName = Annotated[str, CALIBRATOR]
Task = Annotated[str, typer.Option("--task", "-t", help="Your name for this kind of question.")]
Shots = Annotated[Path | None, typer.Option(help="Worked examples with answers; - for stdin.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for a ready server."),
]
TargetRisk = Annotated[
    float | None,
    typer.Option(help="For --method cascade: how much may be wrong of all but the last model's."),
]
TargetPassedOn = Annotated[
    float | None,
    typer.Option(help="For --method cascade: how much may go on to the last of two models."),
]

ProbabilityStep = Annotated[
    float,
    typer.Option(
        "--probability-step",
        help="What the file's probabilities and confidences are rounded to: 0.01 for two decimals.",
    ),
]

_SIGTERM_STATUS = 143


def model_of(calibrator: str) -> str | None:
    """The model that a calibrator's whole name tells; None where there is an id alone."""
    return "/".join(calibrator.split("/")[:2]) if calibrator.startswith("models/") else None


def whole_name(client: Client, model: str, calibrator: str) -> str:
    """A calibrator's name, from that or from its id; the server is asked only where it is short."""
    name = calibrator if "/" in calibrator else f"{model_name(model)}/calibrators/{calibrator}"
    _, start = calibrator_parts(name, model)
    return client.calibrator(name).name if start else name


def say(message: str | Text) -> None:
    """Tells it beside the output: a paragraph a line, however narrow the terminal is.

    What reads a log or copies a path wants it as it is; a terminal folds it by itself.
    """
    err.print(message, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Says what is wrong, and ends with status 1."""
    say(Text("error: ", style="bold red") + Text(message))
    raise typer.Exit(1)


def counted(number: int, noun: str) -> str:
    """ "1 answer", "2,000 answers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tell_unusable(number: int, first: str, so: str = "") -> None:
    """Says how many right answers of a file could not be used; ``first`` of them, and why."""
    if number:
        are = "is" if number == 1 else "are"
        say(f"{counted(number, 'answer')} {are} not usable{so}; {first}")


def tell_low_mass(low: int, answers: int) -> None:
    """Warns of answers whose options hold next to nothing of what the model would say."""
    if low:
        say(
            f"warning: low option mass in {low:,} of {counted(answers, 'answer')}: the model would "
            "hardly write any of their options, so that their probabilities mean little. Try "
            "another --format, or worked examples by --shots.",
        )


def tell_stale(stale: int, answers: int) -> None:
    """Warns of answers that were given while the service could not know what is active."""
    if stale:
        say(
            f"warning: the store of calibrators was away for {stale:,} of "
            f"{counted(answers, 'answer')}: those have the calibrators that were active before "
            "(calibration_stale).",
        )


@contextmanager
def connected(
    server: Target,
    timeout: float = TIMEOUT,
    *,
    wait: float = 0.0,
    model: str | None = None,
    connections: int = 1,
) -> Iterator[Client]:
    """A client, once the server and the model, or all of them, are ready, or after ``wait``.

    Errors, its own and those of files, end the command with a sentence; SIGTERM, with status 143
    and what is under way cancelled.
    """
    # What gRPC would print beside it, with its own words for each handshake.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with (
        _in_words(),
        _stopped_by_sigterm(),
        Client(
            server.address, timeout=timeout, connections=connections, **server.options
        ) as client,
    ):
        if wait:
            client.wait_until_ready(timeout=wait, model=model)
        yield client


@contextmanager
def at_http_door(server: Target, *, wait: float, model: str) -> Iterator[HttpDoor]:
    """The same of the server's HTTP door."""
    with _in_words(), _stopped_by_sigterm():
        door = HttpDoor(server.address, server.options)
        if wait:
            door.wait_until_ready(wait, model)
        yield door


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (TrueoddsError, FileError) as error:
        fail(str(error))
    except UnicodeEncodeError as error:
        fail(f"an argument is not UTF-8: {error.object!r}")


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    def stop(*_: object) -> NoReturn:
        raise SystemExit(_SIGTERM_STATUS)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def extras(*names: str, of: str = "trueodds") -> Iterator[None]:
    """What an installation lacks ends the command with a sentence that says how to get it: one of
    the extras of a distribution, or a distribution of this project as a whole.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("trueodds_"):
            of = missing.partition(".")[0].replace("_", "-")
            missing = f"the distribution {of}"
        first, *others = [f"'{of}[{name}]'" for name in names]
        fail(f"{missing} is missing: pip install {first}{''.join(f' (or {o})' for o in others)}")


@contextmanager
def progress_bar(what: str, *, prints: bool = False) -> Iterator[Callable[[int, int], None]]:
    """What moves a bar on a terminal; silent elsewhere.

    With ``prints`` the command prints meanwhile; a terminal that it prints to gets no bar.
    """
    shown = sys.stderr.isatty() and not (prints and sys.stdout.isatty())
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not shown,
        redirect_stdout=False,
    ) as bar:
        row = bar.add_task("", total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total)
