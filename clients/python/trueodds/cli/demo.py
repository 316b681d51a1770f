"""`trueodds demo`: see a model repaired. It is in the distribution trueodds-demo."""

from pathlib import Path
from typing import Annotated

import typer

from trueodds.cli.console import extras


def demo(
    output: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("build/demo"),
    questions: Annotated[int, typer.Option(min=10, help="Questions a task.")] = 1000,
) -> None:
    """Serve the demo pair, calibrate it, and draw what changed.

    Example: trueodds demo --output report --questions 200
    """
    with extras("cpu", "cuda", of="trueodds-demo"):
        from trueodds_demo.run import run  # noqa: PLC0415 (the demo is not the client's)

        status = run(output, questions)
    raise typer.Exit(status)
