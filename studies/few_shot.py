"""The few-shot table: what 5, 10, 20 and 50 questions are worth to each method.

Simulated, K = 4, the temperature of least NLL near 2.57 (`studies/simulation.py`); a thousand fits
a cell. `python -m studies.few_shot` writes `studies/results/few_shot.json`.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.measures import HeldOut
from studies.methods import LABEL_FREE, LABELLED, is_degenerate, pooled, prior_of, temperature_of
from studies.results import RESULTS, save
from studies.simulation import World
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import Fitted, fit
from trueodds_service.core.fitting.temperature import fit_temperature

SIZES = (5, 10, 20, 50)
FITS = 1_000
TEMPERATURE = 2.5
HELD_OUT = 5_000

# How far apart a model's temperatures lie, as a standard deviation of log T: the demo pair's 3 %
# (here 5 %), and the paper's, which reach from 1.25 to 3.62.
SCATTERS = {"alike": 0.05, "apart": 0.35}
OTHER_TASKS = 6

Row = dict[str, Any]


def table(fits: int = FITS, sizes: Sequence[int] = SIZES, seed: int = 0) -> dict[str, Any]:
    """Every cell, and the temperature that each is after."""
    world, rng = World(), np.random.default_rng(seed)
    many, odds = world.draw(rng, 200_000, np.log(TEMPERATURE))
    best = fit_temperature(many.logprobs, np.eye(world.options)[many.answers]).temperature
    taught = fit(Method.TEACHER_KL, many)
    held_out = HeldOut(many.logprobs[:HELD_OUT], many.answers[:HELD_OUT], odds[:HELD_OUT])
    raw = held_out.score(fit(Method.IDENTITY).calibrator)
    rows = []
    for n in sizes:
        rng = np.random.default_rng((seed, n))
        found: dict[str, list[Fitted]] = {}
        for _ in range(fits):
            for name, fitted in _fit_each(world, rng, n):
                found.setdefault(name, []).append(fitted)
        rows += [_row(name, n, fitted, held_out) for name, fitted in found.items()]
    return {
        "fits": fits,
        "held_out": HELD_OUT,
        "best_temperature": best,
        "teacher_temperature": temperature_of(taught),
        "uncalibrated": {"ece": raw.ece, "odds_ece": raw.odds_ece, "nll": raw.nll},
        "scatters": SCATTERS,
        "other_tasks": OTHER_TASKS,
        "rows": rows,
    }


def _fit_each(world: World, rng: np.random.Generator, n: int) -> Iterator[tuple[str, Fitted]]:
    log_t = float(np.log(TEMPERATURE))
    data, _ = world.draw(rng, n, log_t)
    for method in (*LABELLED, *LABEL_FREE):
        yield method.value, fit(method, data)
    for name, scatter in SCATTERS.items():
        # This task is one of its model's like the others: it lies off their centre as they do.
        centre = log_t - rng.normal(0, scatter)
        others = world.tasks(rng, n, rng.normal(centre, scatter, OTHER_TASKS).tolist())
        yield f"{Method.TEACHER_POOLED.value}, {name}", pooled(data, prior_of(others))


def _row(name: str, n: int, found: list[Fitted], held_out: HeldOut) -> Row:
    row: Row = {"method": name, "n": n}
    temperatures = [t for t in map(temperature_of, found) if t is not None]
    if len(temperatures) == len(found):
        low, middle, high = np.percentile(temperatures, [2.5, 50, 97.5])
        row |= {"temperature": {"low": low, "median": middle, "high": high}}
    scores = [held_out.score(fitted.calibrator) for fitted in found]
    eces = [each.ece for each in scores]
    return row | {
        "degenerate": float(np.mean([is_degenerate(fitted) for fitted in found])),
        "ece": float(np.mean(eces)),
        "worst_ece": float(np.percentile(eces, 97.5)),
        "odds_ece": float(np.mean([each.odds_ece for each in scores])),
        "nll": float(np.mean([each.nll for each in scores])),
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.few_shot", description=__doc__)
    parser.add_argument("--fits", type=int, default=FITS)
    parser.add_argument("--output", type=Path, default=RESULTS / "few_shot.json")
    options = parser.parse_args()
    started = time.perf_counter()
    save(table(options.fits), options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
