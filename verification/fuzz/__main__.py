"""The command: `python -m verification.fuzz`, or with `--server HOST:PORT` on a running service."""

import argparse
import sys
import tempfile
from pathlib import Path

from verification.fuzz import besiege, fuzz, fuzz_decisions, hostile_models, odd_models


def main() -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(prog="python -m verification.fuzz", description=fuzz.__doc__)
    add = parser.add_argument
    add("--server", help="HOST:PORT; a service of its own, with hostile engines, when left out")
    add("--requests", type=int, default=20_000)
    add("--seed", type=int, default=0)
    add("--tolerance", type=float, default=1e-4, help="between answers to the same question")
    options = parser.parse_args()
    if options.server:
        report = fuzz(options.server, options.requests, options.seed, tolerance=options.tolerance)
        print(report)
        return 1 if report.broken else 0
    with tempfile.TemporaryDirectory() as folder:
        return _of_its_own(Path(folder), options.requests, options.seed)


def _of_its_own(folder: Path, requests: int, seed: int) -> int:
    """Half of the requests for models of odd kinds, two in ten of them over HTTP, and half for
    hostile engines.
    """
    for name in ("odd", "hostile"):
        (folder / name).mkdir()
    with odd_models(folder / "odd") as stand:
        decisions = fuzz_decisions(stand.url, stand.address, requests // 5, seed)
        report = fuzz(stand.address, requests // 2 - requests // 5, seed, tolerance=0)
    print(decisions)
    print(report)
    with hostile_models(folder / "hostile") as stand:
        found = besiege(stand, requests - requests // 2, seed)
    print(found)
    return 1 if decisions.broken or report.broken or found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
