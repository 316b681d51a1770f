"""`python -m trueodds` is the `trueodds` command."""

from trueodds.cli import main

main()
