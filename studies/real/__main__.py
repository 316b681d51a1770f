"""All that is made of the readings: `python -m studies.real` writes `studies/results/real.json`."""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from studies.real import effects
from studies.real.decomposition import decomposed
from studies.real.posthoc import cases, rows, subjects
from studies.real.readings import MMLU, Readings
from studies.real.signs import signs
from studies.results import RESULTS, save

BASE = "gemma"
# The ways in which the models are calibrated: as they are asked without worked examples.
CALIBRATED = ("paren/0", "letter/0", "paren/5", "letter/5")
DRAWS = 100
# In these each subject of MMLU is calibrated by itself, from so few questions.
BY_SUBJECT, FROM = ("paren/0", "paren/5"), 5


def _of_model(job: tuple[str, str], paths: list[Path], draws: int) -> dict[str, Any]:
    """One aligned model's methods, fits and decomposition, asked in one way."""
    model, way = job
    readings = Readings(paths)
    found = cases(readings, model, way, BASE, readings.tasks)
    table, fits = rows(found, draws)
    same = {"model": model, "way": way}
    each: list[dict[str, Any]] = []
    if way in BY_SUBJECT:
        names = [name for name in readings.subjects if name.startswith(MMLU)]
        by_itself = cases(readings, model, way, BASE, names)
        each = [same | row for row in subjects(by_itself, draws, FROM)]
    return {
        "subjects": each,
        "posthoc": [same | row for row in table],
        "fits": [same | fit for fit in fits],
        "decomposition": same | decomposed(found[MMLU]),
    }


def _effects(readings: Readings) -> dict[str, Any]:
    """The comparisons that the claims are about, on MMLU."""
    ways = ("paren", "letter")
    aligned = [model for model in readings.models if model != BASE]

    def less(one: tuple[str, str], other: tuple[str, str]) -> dict[str, float]:
        return effects.difference(readings, one, other, MMLU)

    return {
        "shots": {
            f"{model} {way}": less((model, f"{way}/5"), (model, f"{way}/0"))
            for model in readings.models
            for way in ways
        },
        "irrelevant_shots": {
            model: less((model, "paren/other"), (model, "paren/0"))
            for model in readings.models
            if "paren/other" in readings.ways
        },
        "paren_narrows": effects.gap_of_gaps(
            readings, BASE, ("letter/0", "letter/5"), ("paren/0", "paren/5"), MMLU
        ),
        "aligned_less_base": {
            f"{model} {way}/{shots}": less((model, f"{way}/{shots}"), (BASE, f"{way}/{shots}"))
            for model in aligned
            for way in ways
            for shots in (0, 5)
        },
        "aligned_less_base_after_shots": {
            f"{model} {way}/{shots}": less((model, f"{way}/{shots}"), (BASE, f"{way}/5"))
            for model in aligned
            for way in ways
            for shots in (0, 5)
        },
        "overconfidence": {
            f"{model} {way}/{shots}": effects.overconfident(
                readings, (model, f"{way}/{shots}"), MMLU
            )
            for model in readings.models
            for way in ways
            for shots in (0, 5)
        },
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real", description=__doc__)
    parser.add_argument(
        "--readings", type=Path, nargs="+", default=sorted(RESULTS.glob("real*.npz"))
    )
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "real.json")
    options = parser.parse_args()
    started = time.perf_counter()
    readings = Readings(options.readings)
    jobs = [(model, way) for way in CALIBRATED for model in readings.models if model != BASE]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        table = pool.submit(effects.table, readings, readings.ways)
        compared = pool.submit(_effects, readings)
        run = partial(_of_model, paths=options.readings, draws=options.draws)
        parts = list(pool.map(run, jobs))
        fits = [fit for part in parts for fit in part["fits"]]
        synthetic = RESULTS / "real_synthetic.json"
        result = {
            "models": readings.models,
            "base": BASE,
            "draws": options.draws,
            "synthetic": json.loads(synthetic.read_text()) if synthetic.exists() else {},
            "table": table.result(),
            "effects": compared.result(),
            "posthoc": [row for part in parts for row in part["posthoc"]],
            "subjects": [row for part in parts for row in part["subjects"]],
            "signs": signs(fits),
            "decomposition": [part["decomposition"] for part in parts],
        }
    save(result, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
