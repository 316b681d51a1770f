"""The demo pair's seven tasks: 200 draws of the questions that each method is fitted on.

In every draw each task gets n questions from its pool, without labels but for the methods that
need them; the pooled method's prior is what the six other tasks' n questions of the same draw say.
All are measured on the task's 2,000 other questions. `python -m studies.demo_tasks` reads the file
of `python -m studies.demo_pair` and writes `studies/results/demo_tasks.json`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.demo_pair import DUMP, POOL, Dump
from studies.measures import HeldOut, Scores, over_both, over_draws, resampled_errors
from studies.methods import LABEL_FREE, LABELLED, is_degenerate, pooled, priors, temperature_of
from studies.results import RESULTS, save
from trueodds_demo.service import ALIGNED, BASE
from trueodds_demo.world import TASKS
from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.calibrators.base import Calibrator
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import Fitted, fit
from trueodds_service.core.fitting.temperature import fit_temperature
from trueodds_service.core.metrics.reliability import null_ece

DRAWS = 200
SIZES = (5, 10, 20)
# Held-out questions drawn anew, for the wider interval.
RESAMPLES = 200

POOLED = Method.TEACHER_POOLED.value
UNCALIBRATED = "uncalibrated"
ECES = ("ece", "odds_ece")
MEASURES = (*ECES, "nll")
# Compared with the held-out questions drawn anew, too.
COMPARED = (POOLED, *(method.value for method in LABEL_FREE))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A task's questions: the pool to fit on, and those to measure on."""

    name: str
    pool: FitData
    held_out: HeldOut
    teacher: Floats


def tasks(dump: Dump) -> list[Task]:
    """The seven tasks, in the paper's order."""
    found = []
    for name in TASKS:
        model, teacher = dump.reading(name, ALIGNED), dump.reading(name, BASE)
        labels = dump.labels(name)
        pool = FitData(
            model.logprobs[:POOL],
            labels=labels[:POOL],
            teacher_logprobs=teacher.logprobs[:POOL],
            teacher_format=np.clip(teacher.format[:POOL], 0, 1),
        )
        held_out = HeldOut(model.logprobs[POOL:], labels[POOL:], dump.truth(name)[POOL:])
        found.append(Task(name, pool, held_out, teacher.logprobs[POOL:]))
    return found


def study(dump: Dump, draws: int = DRAWS, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """All sizes, and what does not depend on the draw."""
    seven = tasks(dump)
    return {
        "draws": draws,
        "measured": len(seven[0].held_out.labels),
        "tasks": {task.name: _bounds(task) for task in seven},
        "sizes": {str(n): size(seven, n, draws) for n in sizes},
    }


def size(seven: Sequence[Task], n: int, draws: int, seed: int = 0) -> dict[str, Any]:
    """What n questions a task are worth."""
    rng = np.random.default_rng((seed, n))
    fits: dict[str, list[list[Fitted]]] = {}
    for _ in range(draws):
        data = [task.pool.take(rng.choice(POOL, n, replace=False)) for task in seven]
        for name, row in _fit_each(data).items():
            fits.setdefault(name, []).append(row)
    measured = _measured(seven, fits, draws)
    methods = {
        name: {
            "mean": {each: float(values[each].mean()) for each in MEASURES},
            "by_task": [_by_task(name, place, fits, values) for place in range(len(seven))],
        }
        for name, values in measured.items()
    }
    others = [name for name in measured if name != POOLED]
    return {
        "methods": methods,
        "pooled_less": {name: _differences(measured, POOLED, name) for name in others},
        "teacher_kl_less_uncalibrated": _differences(
            measured, Method.TEACHER_KL.value, UNCALIBRATED
        ),
    }


def _fit_each(data: Sequence[FitData]) -> dict[str, list[Fitted]]:
    """Every method on every task of one draw."""
    found = {UNCALIBRATED: [fit(Method.IDENTITY) for _ in data]}
    for method in (*LABELLED, *LABEL_FREE):
        found[method.value] = [fit(method, each) for each in data]
    found[POOLED] = [pooled(*each) for each in zip(data, priors(data), strict=True)]
    return found


def _measured(
    seven: Sequence[Task], fits: dict[str, list[list[Fitted]]], draws: int
) -> dict[str, dict[str, Floats]]:
    """Measures (draws, tasks), and ECEs on resampled held-out questions, (resamples, draws).

    The latter are means over the tasks.
    """
    rng = np.random.default_rng(1)
    result: dict[str, dict[str, Floats]] = {
        name: {each: np.empty((draws, len(seven))) for each in MEASURES} for name in fits
    }
    for name in COMPARED:
        result[name] |= {f"resampled_{each}": np.zeros((RESAMPLES, draws)) for each in ECES}
    for place, task in enumerate(seven):
        items = len(task.held_out.labels)
        counts = rng.multinomial(items, np.full(items, 1 / items), RESAMPLES).astype(np.float64)
        known: dict[str, Scores] = {}
        for name, found in fits.items():
            into = result[name]
            scores = [_score(task, found[draw][place].calibrator, known) for draw in range(draws)]
            for each in MEASURES:
                into[each][:, place] = [getattr(one, each) for one in scores]
            if name in COMPARED:
                for each, gaps in (
                    ("ece", [one.gaps for one in scores]),
                    ("odds_ece", [one.odds_gaps for one in scores]),
                ):
                    into[f"resampled_{each}"] += resampled_errors(gaps, counts) / len(seven)
    return result


def _score(task: Task, calibrator: Calibrator, known: dict[str, Scores]) -> Scores:
    """Scores of a calibrator, kept for the one that is the same in every draw."""
    if calibrator.parameters != {"temperature": (1.0,)}:
        return task.held_out.score(calibrator)
    if UNCALIBRATED not in known:
        known[UNCALIBRATED] = task.held_out.score(calibrator)
    return known[UNCALIBRATED]


def _by_task(
    name: str, place: int, fits: dict[str, list[list[Fitted]]], values: dict[str, Floats]
) -> dict[str, Any]:
    found = [row[place] for row in fits[name]]
    temperatures = [t for t in map(temperature_of, found) if t is not None]
    row: dict[str, Any] = {each: float(values[each][:, place].mean()) for each in MEASURES}
    row["worst_ece"] = float(np.percentile(values["ece"][:, place], 97.5))
    row["degenerate"] = float(np.mean([is_degenerate(each) for each in found]))
    if len(temperatures) == len(found):
        row["temperature"] = np.percentile(temperatures, [2.5, 50, 97.5]).tolist()
    return row


def _differences(measured: dict[str, dict[str, Floats]], one: str, other: str) -> dict[str, Any]:
    """Means over draws and tasks of ``one`` less ``other``, with intervals; by task, too."""
    result: dict[str, Any] = {}
    for each in MEASURES:
        by_draw = measured[one][each] - measured[other][each]
        result[each] = {
            "mean": float(by_draw.mean()),
            "over_draws": over_draws(by_draw.mean(axis=1)),
            "by_task": by_draw.mean(axis=0).tolist(),
        }
    for each in ECES if one in COMPARED and other in COMPARED else ():
        name = f"resampled_{each}"
        result[each]["over_both"] = over_both(measured[one][name] - measured[other][name])
    return result


def _bounds(task: Task) -> dict[str, float]:
    """What any temperature, and the teacher itself, could reach."""
    held_out, k = task.held_out, task.held_out.odds.shape[1]
    by = {
        "labels": np.eye(k)[held_out.labels],
        "teacher": softmax(task.teacher),
        "odds": held_out.odds,
    }
    result: dict[str, float] = {}
    for name, target in by.items():
        result[f"temperature_by_{name}"] = fit_temperature(held_out.logprobs, target).temperature
    best = held_out.score(
        fit(Method.CONSTANT, temperature=result["temperature_by_odds"]).calibrator
    )
    raw = HeldOut(task.teacher, held_out.labels, held_out.odds).score(
        fit(Method.IDENTITY).calibrator
    )
    confidence = np.minimum(softmax(held_out.logprobs / result["temperature_by_odds"]).max(1), 1)
    agree = held_out.logprobs.argmax(axis=1) == task.teacher.argmax(axis=1)
    return result | {
        "best_ece": best.ece,
        "best_odds_ece": best.odds_ece,
        "teacher_ece": raw.ece,
        "teacher_odds_ece": raw.odds_ece,
        "null_ece": null_ece(confidence),
        "agreement": float(agree.mean()),
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.demo_tasks", description=__doc__)
    parser.add_argument("--dump", type=Path, default=DUMP)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "demo_tasks.json")
    options = parser.parse_args()
    started = time.perf_counter()
    save(study(Dump(options.dump), options.draws), options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
