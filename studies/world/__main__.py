"""The study in the demo's world: `python -m studies.world` writes `studies/results/world.json`.

The models are read first, into `build/study/world.npz`.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from studies.arrays import save_arrays
from studies.paper.comparisons import ASKED, compared
from studies.paper.decomposition import decomposed
from studies.paper.effects import table
from studies.paper.posthoc import cases, rows
from studies.paper.readings import WORLD, Readings
from studies.paper.schemes import TRAINED
from studies.paper.signs import signs
from studies.results import RESULTS, save
from studies.world.models import BASE, DEMO, SHIPPED, weights
from studies.world.read import QUESTIONS, Arrays, index, read

READ = Path("build/study/world.npz")
ALIGNED = (*TRAINED, DEMO)
# The ways in which the aligned models are calibrated, each task by itself.
CALIBRATED = ("paren/0", "paren/5")
DRAWS = 100
# What a row says of each task.
_BY_TASK = ("ece", "worst_ece", "brier", "worse_than_raw", "temperature")


def write(models: Path, count: int, output: Path) -> None:
    """Reads all models, one in each process."""
    known = weights(models)
    arrays: Arrays = index(count)
    # Spawned: torch does not survive a fork. The largest first: the others fill what it leaves.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        order = sorted(known, key=lambda name: -_size(known[name].model))
        for found in pool.map(read, order, map(known.get, order), [count] * len(order)):
            arrays |= found
    save_arrays(arrays, output)


def _size(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


def of_model(model: str, way: str, path: Path, draws: int) -> dict[str, Any]:
    """One aligned model's methods and fits on each task, asked in one way."""
    readings = Readings([path])
    found = cases(readings, model, way, BASE, readings.subjects)
    parts: dict[str, Any] = {"posthoc": [], "fits": []}
    same = {"model": model, "way": way}
    if way in CALIBRATED:
        each, fits = rows(found, draws)
        parts = {"posthoc": _folded(each, same), "fits": [same | fit for fit in fits]}
    left = [same | {"task": task} | decomposed(case) for task, case in found.items()]
    return parts | {"decomposition": left}


def _folded(each: list[dict[str, Any]], same: dict[str, str]) -> list[dict[str, Any]]:
    """A row for each method and size, with lists over the tasks."""
    by_method: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for row in each:
        by_method[row["n"], row["method"]].append(row)
    return [
        same
        | {"n": n, "method": method}
        | {
            name: [row[name] for row in found]
            for name in _BY_TASK
            if all(name in row for row in found)
        }
        for (n, method), found in by_method.items()
    ]


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.world", description=__doc__)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="of each task")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--readings", type=Path, default=READ)
    parser.add_argument("--output", type=Path, default=RESULTS / "world.json")
    options = parser.parse_args()
    started = time.perf_counter()
    write(options.models, options.questions, options.readings)
    readings = Readings([options.readings])
    jobs = [(model, way) for way in ASKED for model in ALIGNED]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = pool.submit(compared, readings, BASE, ALIGNED, WORLD)
        waiting = [pool.submit(of_model, *job, options.readings, options.draws) for job in jobs]
        parts = [each.result() for each in waiting]
    result = {
        "models": readings.models,
        "base": BASE,
        "tasks": readings.subjects,
        "questions": options.questions,
        "draws": options.draws,
        "synthetic": {scheme: _examined(options.models / scheme) for scheme in TRAINED},
        "table": table(readings),
        "effects": found.result(),
        "posthoc": [row for part in parts for row in part["posthoc"]],
        "signs": signs([fit for part in parts for fit in part["fits"]]),
        "decomposition": [row for part in parts for row in part["decomposition"]],
    }
    save(result, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


def _examined(folder: Path) -> Any:
    return json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
