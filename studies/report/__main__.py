"""The command; `--help` describes its arguments."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studies.report import demo, large, page, real
from studies.report.claims import Claim
from studies.results import load

OUTPUT = Path("build/study")


def main() -> None:
    """Writes the report, and prints how many claims hold."""
    parser = argparse.ArgumentParser(prog="python -m studies.report", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output: Path = parser.parse_args().output
    found, confidences = load("real"), load("confidences")
    claims = [
        *real.claims(found),
        *demo.claims(load("formats"), load("demo_tasks")),
        *large.claims(confidences),
    ]
    report: dict[str, Any] = {
        "claims": [claim.row for claim in claims],
        "models": [*found["models"], *_models(confidences["answers"])],
        "trained_on_the_synthetic_task": found["synthetic"],
        "table": found["table"],
    }
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1) + "\n"
    (output / "report.json").write_text(text, encoding="utf-8")
    (output / "report.html").write_text(page.written(claims, found, confidences), encoding="utf-8")
    print(f"{_counted(claims)}; written to {output / 'report.html'}")


def _models(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows))


def _counted(claims: Iterable[Claim]) -> str:
    verdicts = [claim.holds for claim in claims]
    return ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(verdicts))


if __name__ == "__main__":
    main()
