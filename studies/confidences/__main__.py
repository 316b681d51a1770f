"""The command; `--help` describes its arguments."""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from studies.confidences import drift, few, promises, service, transfer
from studies.confidences.answers import Answers, Key, read
from studies.results import RESULTS, load, save

DRAWS = 100
# Each part's rows of one model, and what they come to over all.
PARTS = {
    "few": (few.few, few.summary),
    "transfer": (transfer.transfer, transfer.summary),
    "promises": (promises.promises, promises.summary),
    "drift": (drift.drift, drift.summary),
    "service": (service.service, service.summary),
}


def _rows(name: str, answers: dict[Key, Answers], draws: int) -> list[dict[str, Any]]:
    return PARTS[name][0](answers, draws)


def main() -> None:
    """Reads, runs every part, and writes what came of it."""
    parser = argparse.ArgumentParser(prog="python -m studies.confidences", description=__doc__)
    given = os.environ.get("CONFIDENCE")
    parser.add_argument("--data", type=Path, default=given, required=given is None)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument(
        "--only", choices=PARTS, help="leaves the other parts as they are committed"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "confidences.json")
    options = parser.parse_args()
    started = time.perf_counter()
    answers = read(options.data)
    models = dict.fromkeys(model for _, model, _ in answers)
    of_model = [{key: found for key, found in answers.items() if key[1] == m} for m in models]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = {
            name: [pool.submit(_rows, name, each, options.draws) for each in of_model]
            for name in ([options.only] if options.only else PARTS)
        }
        result: dict[str, Any] = {"draws": options.draws, "answers": _told(answers)}
        if options.only:
            result = load("confidences")
        for name, running in waiting.items():
            summary = PARTS[name][1]
            rows = [row for each in running for row in each.result()]
            result[name] = {"summary": summary(rows), "rows": rows}
    save(result, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


def _told(answers: dict[Key, Answers]) -> list[dict[str, Any]]:
    """What was read: n, accuracy and mean confidence of each."""
    return [
        {
            "dataset": dataset,
            "model": model,
            "phrasing": phrasing,
            "n": len(found),
            "options": found.options,
            "accuracy": float(found.correct.mean()),
            "confidence": float(found.confidence.mean()),
        }
        for (dataset, model, phrasing), found in answers.items()
    ]


if __name__ == "__main__":
    main()
