"""What the commands share: output, errors, progress, and the options that name a server."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trueodds.client import Client
from trueodds.errors import TrueoddsError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Server = Annotated[
    str | None,
    typer.Option(envvar="TRUEODDS_SERVER", help="HOST:PORT of the server. [localhost:50051]"),
]
ModelName = Annotated[str, typer.Option("--model", "-m", help="The model, such as demo-aligned.")]
Task = Annotated[str, typer.Option("--task", "-t", help="Your name for this kind of question.")]


def fail(message: str) -> NoReturn:
    """Says what is wrong, and ends with status 1."""
    err.print(f"[bold red]error:[/] {message}", soft_wrap=True)
    raise typer.Exit(1)


@contextmanager
def connected(server: str | None) -> Iterator[Client]:
    """A client; its errors end the command with a sentence, not a trace."""
    with Client(server) as client:
        try:
            yield client
        except TrueoddsError as error:
            err.print("[bold red]error:[/] ", end="")
            err.print(str(error), markup=False, soft_wrap=True)
            raise typer.Exit(1) from None


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar on a terminal; silent elsewhere."""
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not sys.stderr.isatty(),
    ) as bar:
        yield bar
