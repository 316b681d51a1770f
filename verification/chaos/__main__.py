"""The command: `python -m verification.chaos`."""

import argparse
import sys
import time
import traceback
from pathlib import Path

from verification.chaos.drills import DRILLS, Drill
from verification.chaos.record import Report, Result


def main() -> int:
    """0 when nothing was lost, duplicated or wrong."""
    parser = argparse.ArgumentParser(prog="python -m verification.chaos", description=__doc__)
    add = parser.add_argument
    told = f"of {', '.join(DRILLS)}"
    add("--only", nargs="+", action="extend", choices=DRILLS, metavar="NAME", help=told)
    add("--tries", type=int, help="of each drill, for a short run")
    add("--output", type=Path, default=Path("build/chaos/report.json"))
    options = parser.parse_args()
    report = Report(options.output)
    failed = []
    for name in options.only or DRILLS:
        began = time.monotonic()
        drill = DRILLS[name]
        result = _run(name, drill, options.tries or drill.tries)
        report.add(result)
        print(f"{_line(result)} ({time.monotonic() - began:.0f} s)", flush=True)
        if not result.passed:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, drill: Drill, tries: int) -> Result:
    """One that cannot be held has failed, and the others go on."""
    try:
        return drill.run(tries)
    except Exception as error:
        traceback.print_exc()
        said = str(error).partition("\n")[0]
        return Result(name, notes=[f"it could not be held: {type(error).__name__}: {said}"])


def _line(result: Result) -> str:
    told = result.as_json()
    notes = "".join(f"\n  {note}" for note in result.notes)
    return (
        f"{result.name}: {result.tries} tries, {result.lost} lost, {result.duplicated} duplicated, "
        f"{result.wrong} wrong, recovered in {told['recovery_seconds']} s at most, "
        f"{result.seen}{notes}"
    )


if __name__ == "__main__":
    sys.exit(main())
