"""The command: `python -m verification.fuzz --server HOST:PORT`."""

import argparse
import sys

from verification.fuzz import fuzz


def main() -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(prog="python -m verification.fuzz", description=fuzz.__doc__)
    add = parser.add_argument
    add("--server", default="localhost:50051", help="HOST:PORT of a running service")
    add("--requests", type=int, default=10_000)
    add("--seed", type=int, default=0)
    add("--tolerance", type=float, default=1e-4, help="between answers to the same question")
    options = parser.parse_args()
    report = fuzz(options.server, options.requests, options.seed, tolerance=options.tolerance)
    print(report)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
