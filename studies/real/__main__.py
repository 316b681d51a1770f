"""All that is made of the readings: `python -m studies.real` writes `studies/results/real.json`."""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from studies.paper import effects
from studies.paper.comparisons import compared
from studies.paper.decomposition import decomposed
from studies.paper.posthoc import cases, rows, subjects
from studies.paper.readings import MMLU, Readings
from studies.paper.signs import signs
from studies.results import READINGS, RESULTS, save

BASE = "gemma"
# The ways in which the models are calibrated: as they are asked without worked examples.
CALIBRATED = ("paren/0", "letter/0", "paren/5", "letter/5")
DRAWS = 100
# In these readings each subject of MMLU and each set of AGIEval is calibrated by itself, from this
# many questions, where at least LEAST are left to measure on; each of the 61 has a fifth of the
# draws.
BY_SUBJECT, LEAST, SHARE = ("paren/0", "paren/5"), 45, 5
BY_SUBJECT_FROM = (5, 20)


def _of_model(
    job: tuple[str, str], paths: list[Path], draws: int, subject_draws: int
) -> dict[str, Any]:
    """One aligned model's methods, fits and decomposition, asked in one way."""
    model, way = job
    readings = Readings(paths)
    found = cases(readings, model, way, BASE, [MMLU])
    table, fits = rows(found, draws)
    same = {"model": model, "way": way}
    each: list[dict[str, Any]] = []
    subject_fits: list[dict[str, Any]] = []
    for n in BY_SUBJECT_FROM if way in BY_SUBJECT else ():
        by_itself = cases(readings, model, way, BASE, readings.subjects)
        enough = {k: case for k, case in by_itself.items() if len(case.own) >= n + LEAST}
        of_each, fits_of_each = subjects(enough, subject_draws, n)
        each += [same | row for row in of_each]
        subject_fits += [same | fit for fit in fits_of_each]
    return {
        "subjects": each,
        "subject_fits": subject_fits,
        "posthoc": [same | row for row in table],
        "fits": [same | fit for fit in fits],
        "decomposition": same | decomposed(found[MMLU]),
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real", description=__doc__)
    parser.add_argument("--readings", type=Path, nargs="+", default=READINGS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "real.json")
    options = parser.parse_args()
    started = time.perf_counter()
    readings = Readings(options.readings)
    draws = {"draws": options.draws, "subject_draws": max(1, options.draws // SHARE)}
    aligned = [model for model in readings.models if model != BASE]
    jobs = [(model, way) for way in CALIBRATED for model in aligned]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        table = pool.submit(effects.table, readings)
        found = pool.submit(compared, readings, BASE, aligned, MMLU)
        run = partial(_of_model, paths=options.readings, **draws)
        parts = list(pool.map(run, jobs))
        fits, subject_fits = (
            [fit for part in parts for fit in part[kind]] for kind in ("fits", "subject_fits")
        )
        synthetic = RESULTS / "real_synthetic.json"
        result = {
            "models": readings.models,
            "base": BASE,
            **draws,
            "synthetic": json.loads(synthetic.read_text()) if synthetic.exists() else {},
            "table": table.result(),
            "effects": found.result(),
            "posthoc": [row for part in parts for row in part["posthoc"]],
            "subjects": [row for part in parts for row in part["subjects"]],
            "signs": signs(fits),
            "subject_signs": signs(subject_fits),
            "decomposition": [part["decomposition"] for part in parts],
        }
    save(result, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
