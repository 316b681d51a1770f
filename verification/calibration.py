"""Calibration against other software and against what is known: `build/verify/calibration.json`."""

import argparse
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from verification import (
    calibration_fits,
    calibration_metrics,
    calibration_promises,
    few_shot,
    monitoring,
)
from verification.comparison import Result

# What makes cases, in the order of running.
SOURCES: dict[str, Callable[[], Iterator[Result]]] = {
    "fits": calibration_fits.fits,
    "metrics": calibration_metrics.metrics,
    "few_shot": few_shot.results,
    "conformal": calibration_promises.conformal,
    "alarms": monitoring.alarms,
    "delays": monitoring.delays,
}

console = Console(highlight=False)


def main() -> int:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m verification.calibration", description=__doc__)
    add = parser.add_argument
    add("--only", choices=SOURCES, action="append", help="only these cases; may be repeated")
    add("--output", type=Path, default=Path("build/verify/calibration.json"))
    options = parser.parse_args()
    # What other libraries say of their own insides is not about the service.
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    started = time.perf_counter()
    results = []
    for source in options.only or SOURCES:
        for result in SOURCES[source]():
            results.append(result)
            console.print(f"{time.perf_counter() - started:6.0f} s  {_line(result)}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"cases": [asdict(result) for result in results]}
    options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {options.output}")
    return 0 if all(result.passed for result in results) else 1


def _line(result: Result) -> str:
    figures = [
        "" if value is None else f"{name} {value:.3g}"
        for name, value in (("difference", result.max_abs_diff), ("ratio", result.ratio))
    ]
    state = "ok" if result.passed else "[red]failed[/]"
    told = ", ".join(part for part in (*figures, result.note, state) if part)
    return f"{result.name}, against {result.reference}: {told}"


if __name__ == "__main__":
    sys.exit(main())
