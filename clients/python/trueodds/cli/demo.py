"""`trueodds demo`: see a model repaired. Needs the extra cpu or cuda."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import fail


def demo(
    output: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("build/demo"),
    questions: Annotated[int, typer.Option(min=10, help="Questions a task.")] = 1000,
) -> None:
    """Serve the demo pair, calibrate it, and draw what changed."""
    try:
        from trueodds_demo.run import run  # noqa: PLC0415 (the demo is not the client's)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: pip install 'trueodds[cpu]' (or 'trueodds[cuda]')")
    raise typer.Exit(run(output, questions))
