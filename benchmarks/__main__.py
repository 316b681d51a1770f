"""Questions a second, side by side: vLLM, what is built on it, and the service over gRPC.

Every row scores the same questions in the same rounds, in processes of their own. What counts is
the ratio to LLM.generate in the same round.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import measure, profiles, report, rows, shapes
from benchmarks.machine import called, machine, versions
from benchmarks.profiles import CACHE, CPU_ROWS, GPU_ROWS, Prepared, Sizes
from trueodds import Format

# Rows on work of their own, with a command and a result of their own.
_APART = {
    "growth": "benchmarks.growth",
    "lm-eval-backends": "benchmarks.lm_eval_backends",
    "long-options": "benchmarks.long_options",
    "single-question": "benchmarks.single_question",
}


def main() -> None:
    """The command; `--help` describes its arguments."""
    options = _options()
    on_cpu = options.profile == "cpu"
    started = time.perf_counter()
    sizes = Sizes(options.rounds, options.subjects, options.questions, options.alone)
    answer_format = Format(options.format)
    keys = (options.rows or (CPU_ROWS if on_cpu else GPU_ROWS)).split(",")
    for module in [_APART[key] for key in keys if key in _APART]:
        subprocess.run([sys.executable, "-m", module], check=True)
    if not (keys := [key for key in keys if key not in _APART]):
        return
    try:
        chosen = rows.chosen(keys)
    except ValueError as error:
        sys.exit(f"error: {error}")
    service = [row for row in chosen if row.system == "service"]
    for settings in _variants(options.sweep):
        chosen += rows.variant(service, settings)
    lanes = 1 + max(rows.lanes(chosen).values(), default=0)
    if on_cpu:
        prepared = profiles.cpu(sizes, answer_format, options.engine, lanes)
    else:
        prepared = profiles.gpu(sizes, answer_format, options.engine, lanes, options.shape)
    plan = measure.Plan(
        prepared.weights, prepared.settings, prepared.work, chosen, options.beside, options.slow
    )
    output = options.output or CACHE / ("cpu.json" if on_cpu else f"h200-{options.shape}.json")
    kept: dict[str, Any] = {}

    def keep(found: Sequence[measure.Found], drift: Sequence[float]) -> None:
        kept.update(_result(options, prepared, found, drift))
        report.write(kept, output)

    def tell(text: str) -> None:
        # A trace has brackets that mean nothing.
        report.console.print(f"{time.perf_counter() - started:6.0f} s  {text}", markup=False)

    measure.measure(plan, tell, keep)
    report.report(kept, output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--profile", choices=("cpu", "h200"), default="cpu", help="which model and questions")
    add("--shape", choices=sorted(shapes.SHAPES), default="8b", help="of h200's model")
    known = ", ".join([*(row.key for row in rows.ROWS), *_APART])
    add("--rows", help=f"of {known}; LLM.generate always runs")
    add("--format", choices=("letter", "paren"), default="letter", help="what is read, and how")
    add("--rounds", type=int, default=3, help="measured, after one to warm up")
    add("--subjects", type=int, default=57, help="of a round, in the profile h200")
    add("--questions", type=int, help="of each subject or task, a round; 40, on a CPU 15")
    add("--alone", type=int, default=4, help="the same, asked one at a time")
    add("--slow", type=int, help="questions a round for the slow rows; 200, on a CPU 4")
    add("--beside", type=int, default=2, help=_BESIDE)
    add("--engine", type=json.loads, default={}, help="engine settings of every row, as JSON")
    add("--sweep", action="append", type=_swept, default=[], help=_SWEEP)
    add("--output", type=Path, help="JSON; written after every round")
    options = parser.parse_args()
    many, few = (15, 4) if options.profile == "cpu" else (40, 200)
    options.questions = many if options.questions is None else options.questions
    options.slow = few if options.slow is None else options.slow
    return options


_BESIDE = "systems that are up beside LLM.generate at once; 0: one system at a time"
_SWEEP = "NAME=VALUE,VALUE,…: the service's rows once more for each value of a setting; repeat it"


def _swept(text: str) -> tuple[str, list[Any]]:
    name, _, values = text.partition("=")
    return name, [yaml.safe_load(value) for value in values.split(",")]


def _variants(sweep: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    """Every combination of the values."""
    names = [name for name, _ in sweep]
    combinations = itertools.product(*(values for _, values in sweep)) if sweep else ()
    return [dict(zip(names, values, strict=True)) for values in combinations]


def _result(
    options: argparse.Namespace,
    prepared: Prepared,
    found: Sequence[measure.Found],
    drift: Sequence[float],
) -> dict[str, Any]:
    measured = prepared.work[0][1:]
    by_key = {each.row.key: each for each in found}
    lines = [
        report.row(each, prepared, by_key.get(each.row.varies)) for each in found if each.rates
    ]
    return {
        "profile": options.profile,
        "command": called("benchmarks"),
        "items": round(statistics.mean(each.items for each in measured)),
        "rounds": len(measured),
        "format": options.format,
        **prepared.about,
        "engine": prepared.settings.model_dump(exclude_none=True),
        "machine": machine(),
        "versions": versions(),
        "offline_again": [round(each, 1) for each in drift],
        "rows": lines,
        "failed": [report.failure(each) for each in found if each.failure],
    }


if __name__ == "__main__":
    main()
