"""What the command does with a terminal, a pipe or a file that does not take its output."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from trueodds.cli.console import fail


def takes_unicode() -> bool:
    """Whether standard output takes every character; an ASCII or Latin-1 terminal does not."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")


def run(command: Callable[[], None]) -> None:
    """Runs the command. A closed pipe ends it quietly, a full disk with an error.

    Characters that the encoding lacks are escaped, as in \\u2013.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()
        sys.exit(1)
    except OSError as error:
        _give_up_stdout()
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def check_writable(*paths: Path | None) -> None:
    """Ends the command where a file could not be written; before the work, not after it."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            fail(f"{path} cannot be written: it is a folder")
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        if there != path and not there.is_dir():
            fail(f"{path} cannot be written: {there} is no folder")
        if not os.access(there, os.W_OK):
            fail(f"{path} cannot be written: {there} may not be written to")


def _give_up_stdout() -> None:
    """What is left in its buffer goes nowhere: Python would try once more, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
