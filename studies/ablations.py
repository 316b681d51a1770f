"""What else was tried for the label-free method, on the demo pair's tasks.

Each variant is compared with teacher_kl on the same draws. `python -m studies.ablations` reads the
file of `python -m studies.demo_pair` and writes `studies/results/ablations.json`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.demo_pair import DUMP, POOL, Dump
from studies.demo_tasks import Task, tasks
from studies.measures import over_draws
from studies.methods import pooled, priors, temperature_of
from studies.results import RESULTS, save
from trueodds_service.core.arrays.distributions import entropy, softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.calibrators.temperature import TemperatureScaling
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.temperature import fit_temperature

DRAWS = 200
SIZES = (5, 20)

Floats = NDArray[np.float64]
Variant = Callable[[Sequence[FitData]], list[float]]
"""A draw's questions of each task → the temperatures of the tasks."""


def _each(weigh: Callable[[FitData], Floats] | None = None) -> Variant:
    """teacher_kl alone, weighted."""

    def temperatures(data: Sequence[FitData]) -> list[float]:
        return [_taught(each if weigh is None else _weighted(each, weigh)) for each in data]

    return temperatures


def _pool(weigh: Callable[[FitData], Floats] | None = None) -> Variant:
    """teacher_pooled, weighted."""

    def temperatures(data: Sequence[FitData]) -> list[float]:
        if weigh is not None:
            data = [_weighted(each, weigh) for each in data]
        return [
            temperature_of(pooled(*each)) or 1.0 for each in zip(data, priors(data), strict=True)
        ]

    return temperatures


def _one_for_all(data: Sequence[FitData]) -> list[float]:
    """Complete pooling: the geometric mean of the tasks' temperatures for all of them."""
    return [float(np.exp(np.mean(np.log(_each()(data)))))] * len(data)


def _corrected(data: Sequence[FitData]) -> list[float]:
    """The teacher's own temperature first, from the labels of all tasks' questions."""
    most = max(each.taught.shape[1] for each in data)

    def padded(array: Floats, value: float) -> Floats:
        missing = most - array.shape[1]
        return np.pad(array, ((0, 0), (0, missing)), constant_values=value)

    logits = np.concatenate([padded(each.taught, -np.inf) for each in data])
    labels = np.eye(most)[np.concatenate([each.answers for each in data])]
    own = fit_temperature(logits, labels).temperature
    return _each()([replace(each, teacher_logprobs=each.taught / own) for each in data])


def _weighted(data: FitData, weigh: Callable[[FitData], Floats]) -> FitData:
    weights = weigh(data)
    return replace(data, weights=weights * len(weights) / weights.sum())


def _taught(data: FitData) -> float:
    return temperature_of(fit(Method.TEACHER_KL, data)) or 1.0


def _overlap(data: FitData) -> Floats:
    """How much of their mass the teacher and the calibrated model share, in [0, 1]."""
    probs = TemperatureScaling(_taught(data)).apply(data.logprobs)
    shared: Floats = np.minimum(probs, softmax(data.taught)).sum(axis=1)
    return shared


def _raw_overlap(data: FitData) -> Floats:
    """The same with the model as it is: DACA's agreement, made soft."""
    shared: Floats = np.minimum(softmax(data.logprobs), softmax(data.taught)).sum(axis=1)
    return shared


def _format(data: FitData) -> Floats:
    """p(F | x) of the teacher."""
    if data.teacher_format is None:
        raise ValueError("the teacher's format probability is needed")
    return data.teacher_format


def _doubt(data: FitData) -> Floats:
    """The teacher's entropy: questions that it is sure of weigh little."""
    return entropy(softmax(data.taught)) + 1e-3


VARIANTS: dict[str, Variant] = {
    "teacher_kl": _each(),
    "teacher_pooled": _pool(),
    "one temperature for all tasks": _one_for_all,
    "weighted by the overlap": _each(_overlap),
    "weighted by the raw overlap": _each(_raw_overlap),
    "weighted by the format probability": _each(_format),
    "weighted by the teacher's entropy": _each(_doubt),
    "pooled, weighted by the teacher's entropy": _pool(_doubt),
    "the teacher corrected by all tasks' labels": _corrected,
}


def measure(seven: Sequence[Task], n: int, draws: int, seed: int = 2) -> dict[str, Any]:
    """Each variant's ECEs, and what they are less those of teacher_kl."""
    rng = np.random.default_rng((seed, n))
    found = {name: np.empty((2, draws, len(seven))) for name in VARIANTS}
    for draw in range(draws):
        data = [task.pool.take(rng.choice(POOL, n, replace=False)) for task in seven]
        for name, variant in VARIANTS.items():
            for place, temperature in enumerate(variant(data)):
                score = seven[place].held_out.score(TemperatureScaling(temperature))
                found[name][:, draw, place] = score.ece, score.odds_ece
    against = found["teacher_kl"]
    return {
        name: {
            measure: {
                "mean": float(values[row].mean()),
                "less_teacher_kl": float((values - against)[row].mean()),
                "over_draws": over_draws((values - against)[row].mean(axis=1)),
            }
            for row, measure in enumerate(("ece", "odds_ece"))
        }
        for name, values in found.items()
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.ablations", description=__doc__)
    parser.add_argument("--dump", type=Path, default=DUMP)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "ablations.json")
    options = parser.parse_args()
    started = time.perf_counter()
    seven = tasks(Dump(options.dump))
    sizes = {str(n): measure(seven, n, options.draws) for n in SIZES}
    save({"draws": options.draws, "sizes": sizes}, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
