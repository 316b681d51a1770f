"""What benchmarks tell: medians, ratios, versions; as JSON and as a table."""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine, versions
from benchmarks.measure import Found
from benchmarks.profiles import Prepared

# Where nobody watches, the table is not cut to fit.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

# Up to which two systems' logprobs are the same but for rounding, in nats.
_TOLERANCES = {"float32": 2e-3, "bfloat16": 0.1}


def percentiles(seconds: Sequence[float], digits: int = 2) -> dict[str, float]:
    """The median and the 99th percentile, in milliseconds."""
    p50, p99 = (1000 * float(np.quantile(seconds, each)) for each in (0.5, 0.99))
    return {"p50": round(p50, digits), "p99": round(p99, digits)}


def summary(items: int, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Medians over the rounds: of the rates, and of the ratios to the first system's in a round."""
    base = next(iter(rates.values()))
    return {
        "items": items,
        "rounds": len(base),
        "machine": machine(),
        "versions": versions(),
        "rows": [
            {
                "name": name,
                **_rates(found, [a / b for a, b in zip(found, base, strict=True)]),
            }
            for name, found in rates.items()
        ],
    }


def row(found: Found, prepared: Prepared, varied: Found | None = None) -> dict[str, Any]:
    """A line of the result. ``comparable`` tells whether it answered as the baseline did.

    ``varied`` is the row that this one is with other settings.
    """
    line: dict[str, Any] = {"key": found.row.key, "name": found.row.name}
    if found.row.note:
        line["note"] = found.row.note
    line |= _rates(found.rates, found.ratios)
    if gpus := found.row.gpus(prepared.settings):
        line["gpus"] = gpus
    if gpus > 1 and varied is not None and varied.row.gpus(prepared.settings) == 1:
        gains = [mine / its for mine, its in zip(found.rates, varied.rates, strict=False)]
        line["ratio_to_one_gpu"] = round(statistics.median(gains), 3)
    line["start_seconds"] = round(found.start_seconds, 1)
    if found.latencies:
        line["latency_ms"] = percentiles(found.latencies)
    if found.agreement:
        told, largest = found.agreement.told, found.agreement.largest_difference
        line["options_told"] = round(told, 4)
        line["largest_difference"] = float(f"{largest:.2g}")
        line["choice_agreement"] = found.agreement.choices
        line["comparable"] = told == 1 and largest <= _TOLERANCES[prepared.dtype]
    return line


def failure(found: Found) -> dict[str, str]:
    """A row that did not come through, and the last line of why."""
    why = found.failure.strip().splitlines()[-1][:300]
    return {"key": found.row.key, "name": found.row.name, "why": why}


def _rates(rates: list[float], ratios: list[float]) -> dict[str, float]:
    return {
        "rounds": len(rates),
        "questions_per_second": round(statistics.median(rates), 1),
        "ratio_to_offline": round(statistics.median(ratios), 3),
        "lowest": round(min(rates), 1),
        "highest": round(max(rates), 1),
        "lowest_ratio": round(min(ratios), 3),
        "highest_ratio": round(max(ratios), 3),
    }


def write(result: dict[str, Any], output: Path) -> None:
    """The result as JSON; NaN, which JSON has not, as null."""
    output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2).replace(": NaN", ": null")
    output.write_text(text + "\n", encoding="utf-8")


def report(result: dict[str, Any], output: Path) -> None:
    """Writes a summary, and prints it for people."""
    write(result, output)
    console.print(_table(result))
    console.print(f"written to {output}")


def _table(result: dict[str, Any]) -> Table:
    title = f"{result['items']} questions a round, median of {result['rounds']}"
    if "questions" in result:
        title = f"{result['model']}, {result['questions']}: {title}"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("× offline", "from … to", "per s", "p50, p99 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in result["rows"]:
        mark = "" if line.get("comparable", True) else " ≠"
        span = f"{line['lowest_ratio']:.2f} … {line['highest_ratio']:.2f}"
        latency = line.get("latency_ms")
        table.add_row(
            f"{line['name']}{mark}",
            f"{line['ratio_to_offline']:.2f}",
            span,
            f"{line['questions_per_second']:,.1f}",
            f"{latency['p50']:.2f}, {latency['p99']:.2f}" if latency else "",
        )
    for line in result.get("failed", ()):
        table.add_row(line["name"], "failed")
    return table
