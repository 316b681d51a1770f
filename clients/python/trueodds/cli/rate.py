"""How a long run is getting on: a bar on a terminal, and elsewhere a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trueodds.cli.console import counted, err, say

_LINE_SECONDS = 30.0


@contextmanager
def rows_done(total: int) -> Iterator[Callable[[int, int], None]]:
    """Called with how many rows are done, and how many of them are errors."""
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    with Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} rows/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[errors]}"),
        console=err,
        transient=True,
    ) as bar:
        row = bar.add_task("", total=total, rate="–", errors="")

        def update(done: int, errors: int) -> None:
            if bar.tasks[0].completed == 0 and done:
                bar.reset(row, completed=done)
            speed = bar.tasks[0].speed
            bar.update(
                row,
                completed=done,
                rate="–" if speed is None else f"{speed:,.0f}",
                errors=counted(errors, "error") if errors else "",
            )

        yield update


def _lines(total: int) -> Callable[[int, int], None]:
    began: tuple[float, int] | None = None
    said = time.monotonic()

    def update(done: int, errors: int) -> None:
        nonlocal began, said
        now = time.monotonic()
        if began is None:
            began = now, done
        since, before = began
        if now - said < _LINE_SECONDS or done == before:
            return
        said = now
        rate = (done - before) / (now - since)
        left = timedelta(seconds=round((total - done) / rate))
        wrong = f", {counted(errors, 'error')}" if errors else ""
        say(
            f"{done:,} of {counted(total, 'row')}{wrong}, {rate:,.0f} a second, {left} left",
        )

    return update
