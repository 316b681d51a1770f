"""The `trueodds` command."""

from trueodds.cli.main import main

__all__ = ["main"]
