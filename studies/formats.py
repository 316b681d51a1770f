"""The paper's experiment in miniature: shots, format and alignment, on the demo pair.

Base and aligned model, zero-shot and after five worked examples, asked for `(A)` and for `A`:
accuracy, confidence, ECE with its noise floor, and the format probability. `python -m
studies.formats` reads both models itself and writes `studies/results/formats.json`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from studies.demo_pair import DEMO_WAY, MODEL_FOLDERS, POOL, Dump, Way, write
from studies.results import RESULTS, save
from trueodds_demo.world import TASKS
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.metrics.evaluate import evaluate

QUESTIONS = 1_000
WAYS: tuple[Way, ...] = (DEMO_WAY, ("paren", 0), ("letter", 5), ("letter", 0))


def table(dump: Dump) -> list[dict[str, Any]]:
    """A row for each model, way and task."""
    return [
        _row(dump, model, way, task) for model in MODEL_FOLDERS for way in WAYS for task in TASKS
    ]


def _row(dump: Dump, model: str, way: Way, task: str) -> dict[str, Any]:
    reading = dump.reading(task, model, way)
    found = evaluate(answer_distribution(reading.logprobs), dump.labels(task))
    return {
        "model": model,
        "format": way[0],
        "shots": way[1],
        "task": task,
        "accuracy": found.accuracy,
        "confidence": found.confidence,
        "ece": found.ece,
        "null_ece": found.null_ece,
        "nll": found.nll,
        "format_probability": float(np.mean(reading.format)),
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.formats", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "formats.json")
    output: Path = parser.parse_args().output
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "formats.npz"
        write(path, WAYS, slice(POOL, POOL + QUESTIONS))
        save({"questions": QUESTIONS, "rows": table(Dump(path))}, output)
    print(f"written to {output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
