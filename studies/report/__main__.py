"""The command; `--help` describes its arguments."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studies.report import demo, large, page, real, world
from studies.report.claims import Claim
from studies.results import load

OUTPUT = Path("build/study")
# What the report has of the demo's world beside its claims.
_OF_WORLD = ("models", "questions", "draws", "synthetic", "table", "posthoc")


def main() -> None:
    """Writes the report, and prints how many claims hold."""
    parser = argparse.ArgumentParser(prog="python -m studies.report", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output: Path = parser.parse_args().output
    found, in_world, confidences = load("real"), load("world"), load("confidences")
    claims = [
        *real.claims(found),
        *world.claims(in_world),
        *demo.claims(load("formats"), load("demo_tasks")),
        *large.claims(confidences),
    ]
    report: dict[str, Any] = {
        "claims": [claim.row for claim in claims],
        "models": [*found["models"], *_models(confidences["answers"])],
        "trained_on_the_synthetic_task": found["synthetic"],
        "table": found["table"],
        "world": {name: in_world[name] for name in _OF_WORLD},
    }
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1) + "\n"
    (output / "report.json").write_text(text, encoding="utf-8")
    written = page.written(claims, found, in_world, confidences)
    (output / "report.html").write_text(written, encoding="utf-8")
    print(f"{_counted(claims)}; written to {output / 'report.html'}")


def _models(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows))


def _counted(claims: Iterable[Claim]) -> str:
    verdicts = [claim.holds for claim in claims]
    return ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(verdicts))


if __name__ == "__main__":
    main()
