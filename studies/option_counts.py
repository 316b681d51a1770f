"""A task asked with two, three and four options, and in two types: is pooling over them worth it?

Wrong options are dropped by chance, and the question is asked again. `python -m
studies.option_counts` reads the demo pair with transformers (some minutes, then kept in
`build/studies/option_counts.npz`) and writes `studies/results/option_counts.json`.
"""

import argparse
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.demo_pair import MODEL_FOLDERS
from studies.measures import HeldOut, over_draws
from studies.methods import temperature_of
from studies.option_pooling import Cell, prior_by_options
from studies.reader import Reader
from studies.results import RESULTS, save
from studies.simulation import World
from trueodds_demo.service import ALIGNED, BASE
from trueodds_demo.world import TASKS, Example, held_out, shots
from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.calibrators.temperature import TemperatureScaling
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.pooling import pooled_prior, pooled_temperature, task_estimate
from trueodds_service.prompts.formats import DECISION, PAREN
from trueodds_service.prompts.question import Kind, letters

DUMP = Path("build/studies/option_counts.npz")

# Other questions than those of the other studies.
SEED = 3
# A cell's first questions are drawn from to fit, all others are measured on.
POOL, MEASURED = 60, 140

FEWEST = 2
# Tasks of two options, from the lower level to the higher: asked as scores, too.
# (The demo's tokenizer writes a predicate's yes and no as several tokens, which studies/reader.py
# does not read.)
LEVELS = {"sentiment": ("negative", "positive"), "toxicity": ("not toxic", "toxic")}

# As the demo asks, and as decisions are asked: which the pair has not been trained on.
WAYS = ("demo", "decisions")

# Questions of each cell in each draw, and draws.
QUESTIONS, DRAWS = 5, 50

ALONE = "teacher_kl"
AS_IT_IS = "teacher_pooled"
BY_OPTIONS = "pooled with ln n"

# ECE against labels and against the true odds, NLL of the labels, and what a label-free method is
# after: the mean KL(teacher ‖ calibrated).
MEASURES = ("ece", "odds_ece", "nll", "divergence")

# Simulated: slopes in ln n, and the scatter of a model's log T around the line.
SIMULATED = (2, 3, 4)
SIMULATED_DRAWS = 10
SCENARIOS = ((0.0, 0.05), (-0.5, 0.05), (0.0, 0.35), (-0.5, 0.35))
TEMPERATURE, MANY = 2.5, 20_000

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TypedCell(Cell):
    """A cell, and the type of its questions."""

    kind: Kind = Kind.CHOICE

    def __str__(self) -> str:
        return f"{self.task}/{self.kind}/{self.options}"


def cells(way: str) -> Iterator[TypedCell]:
    """All of a way of asking."""
    for task in TASKS:
        most = len(shots(task, 1)[0].question.options)
        for options in range(FEWEST, most + 1):
            yield TypedCell(task, options)
    if way == "decisions":
        for task in LEVELS:
            yield TypedCell(task, FEWEST, Kind.SCORE)


def questions(cell: TypedCell) -> list[Example]:
    """Held-out questions of a cell, as the demo asks them: the same for every cell of a task."""
    examples = held_out(cell.task, POOL + MEASURED, SEED)
    return [fewer(each, cell.options, place) for place, each in enumerate(examples)]


def fewer(example: Example, options: int, seed: int = 0) -> Example:
    """With as many options: the answer, and others by chance.

    Whatever the answer, each set of others is as likely, so the answer's distribution is that of
    all options, renormalised. For more options the same seed keeps these and adds others.
    """
    asked = example.question
    others = [place for place in range(len(asked.options)) if place != example.answer]
    random.Random(seed).shuffle(others)  # noqa: S311 (no secret)
    kept = sorted([example.answer, *others[: options - 1]])
    total = sum(example.distribution[place] for place in kept)
    return Example(
        example.task,
        replace(
            asked, options=tuple(asked.options[place] for place in kept), labels=letters(options)
        ),
        kept.index(example.answer),
        tuple(example.distribution[place] / total for place in kept),
    )


def decision(example: Example, kind: Kind, labels: tuple[str, ...]) -> Example:
    """As a decision of a type: its state is the passage, or the question where there is none."""
    asked = replace(
        example.question,
        passage=example.question.passage or example.question.text,
        kind=kind,
        labels=labels,
    )
    if kind is Kind.CHOICE:
        return replace(example, question=asked)
    levels = LEVELS[example.task]
    order = [asked.options.index(each) for each in levels]
    asked = replace(asked, options=levels)
    distribution = tuple(example.distribution[place] for place in order)
    return Example(example.task, asked, order.index(example.answer), distribution)


def read(output: Path) -> None:
    """Asks both models every cell's questions in each way."""
    torch.set_num_threads(1)
    arrays: Arrays = {}
    for model in (BASE, ALIGNED):
        reader = Reader(MODEL_FOLDERS[model])
        for way in WAYS:
            started = time.perf_counter()
            for cell in cells(way):
                examples = questions(cell)
                if way == "demo":
                    worked = [fewer(each, cell.options) for each in shots(cell.task)]
                    found = reader.read(examples, worked, PAREN)
                else:
                    labels = reader.decision_labels(cell.kind, cell.options)
                    examples = [decision(each, cell.kind, labels) for each in examples]
                    found = reader.read(examples, [], DECISION)
                arrays[f"{way}/{cell}/{model}"] = found.logprobs
                arrays[f"{way}/{cell}/labels"] = np.array([each.answer for each in examples])
                arrays[f"{way}/{cell}/odds"] = np.array([each.distribution for each in examples])
            print(f"{time.perf_counter() - started:4.0f} s  {model}, {way}", flush=True)
    save_arrays(arrays, output)


def study(way: str, arrays: Arrays) -> dict[str, Any]:
    """Every method on the same draws, and what each differs from the service's two."""
    every = list(cells(way))
    held_out = [_held_out(arrays, way, cell) for cell in every]
    rng = np.random.default_rng(SEED)
    measured: dict[str, list[Floats]] = {}
    for _ in range(DRAWS):
        drawn = {
            cell: _data(arrays, way, cell, rng.choice(POOL, QUESTIONS, replace=False))
            for cell in every
        }
        for name, found in temperatures(drawn, rng).items():
            rows = [each.row(found[cell]) for cell, each in zip(every, held_out, strict=True)]
            measured.setdefault(name, []).append(np.array(rows))
    values = {name: np.array(found) for name, found in measured.items()}  # (draws, cells, measures)
    many = slice(None)
    return {
        "log_t": {
            str(cell): None if estimate is None else [estimate.log_t, estimate.standard_error]
            for cell in every
            for estimate in [task_estimate(_data(arrays, way, cell, many))]
        },
        "methods": {name: _compared(name, values, every) for name in values},
    }


def temperatures(
    drawn: Mapping[TypedCell, FitData], rng: np.random.Generator
) -> dict[str, dict[TypedCell, float]]:
    """By method, each cell's temperature from the questions of a draw."""
    found = {cell: task_estimate(data) for cell, data in drawn.items()}
    known = {cell: each for cell, each in found.items() if each is not None}
    # The service takes the newest of a task, whatever its options: which one that is, is chance.
    order = [list(known)[place] for place in rng.permutation(len(known))]
    methods: dict[str, dict[TypedCell, float]] = {}

    def put(name: str, cell: TypedCell, temperature: float | None) -> None:
        """Without a prior the cell's own, as the service has it."""
        alone = methods[ALONE][cell] if temperature is None else temperature
        methods.setdefault(name, {})[cell] = alone

    for cell, data in drawn.items():
        alike = {each: told for each, told in known.items() if each.kind == cell.kind}
        newest = {each.task: alike[each] for each in order if each in alike}
        newest.pop(cell.task, None)
        put(ALONE, cell, _taught(data))
        whole = [each for other, each in drawn.items() if _any_options(other) == _any_options(cell)]
        put("one T a task", cell, _taught(_joined(whole)))
        put(AS_IT_IS, cell, pooled_temperature(data, pooled_prior(list(newest.values()))))
        put(BY_OPTIONS, cell, pooled_temperature(data, prior_by_options(alike, cell)))
        flat = prior_by_options(alike, cell, slope=0)
        put(f"{BY_OPTIONS}: without the slope", cell, pooled_temperature(data, flat))
        foreign = prior_by_options(alike, cell, task_share=0)
        put(f"{BY_OPTIONS}: without the task", cell, pooled_temperature(data, foreign))
        if len({each.kind for each in drawn}) > 1:
            put(
                f"{BY_OPTIONS}: and types",
                cell,
                pooled_temperature(data, prior_by_options(known, cell)),
            )
    return methods


def simulated(slope: float, scatter: float, rng: np.random.Generator) -> dict[str, float]:
    """The error of log T, root mean square, in a world whose temperatures do follow ln n."""
    worlds = {options: World(options=options) for options in SIMULATED}
    # Noise of their own gives the models a temperature that is not quite the world's.
    offsets = {options: _taught(world.draw(rng, MANY, 0.0)[0]) for options, world in worlds.items()}
    errors: dict[str, list[float]] = {}
    for _ in range(SIMULATED_DRAWS):
        best, drawn = {}, {}
        for task in TASKS:
            centre = rng.normal(0, scatter * math.sqrt(1 / 2))
            for options, world in worlds.items():
                cell = TypedCell(task, options)
                own = centre + rng.normal(0, scatter * math.sqrt(1 / 2))
                log_t = math.log(TEMPERATURE) + slope * math.log(options) + own
                best[cell] = log_t + math.log(offsets[options])
                drawn[cell] = world.draw(rng, QUESTIONS, log_t)[0]
        for name, found in temperatures(drawn, rng).items():
            errors.setdefault(name, []).extend(math.log(found[cell]) - best[cell] for cell in best)
    return {name: float(np.sqrt(np.mean(np.square(each)))) for name, each in errors.items()}


def _taught(data: FitData) -> float:
    return temperature_of(fit(Method.TEACHER_KL, data)) or 1.0


@dataclass(frozen=True)
class _Measured:
    """What a cell's temperature is measured on."""

    questions: HeldOut
    teacher: Floats

    def row(self, temperature: float) -> list[float]:
        """As ``MEASURES``."""
        calibrator = TemperatureScaling(temperature)
        scores = self.questions.score(calibrator)
        probs = np.maximum(calibrator.apply(self.questions.logprobs), np.finfo(np.float64).tiny)
        divergence = (self.teacher * (np.log(self.teacher) - np.log(probs))).sum(axis=1)
        return [scores.ece, scores.odds_ece, scores.nll, float(divergence.mean())]


def _held_out(arrays: Arrays, way: str, cell: TypedCell) -> _Measured:
    key = f"{way}/{cell}"
    logprobs, labels, odds, teacher = (
        arrays[f"{key}/{each}"][POOL:] for each in (ALIGNED, "labels", "odds", BASE)
    )
    questions = HeldOut(logprobs, labels.astype(np.int64), odds)
    return _Measured(questions, np.maximum(softmax(teacher), np.finfo(np.float64).tiny))


def _data(arrays: Arrays, way: str, cell: TypedCell, items: "NDArray[np.int64] | slice") -> FitData:
    key = f"{way}/{cell}"
    return FitData(
        arrays[f"{key}/{ALIGNED}"][items], teacher_logprobs=arrays[f"{key}/{BASE}"][items]
    )


def _any_options(cell: TypedCell) -> tuple[str, Kind]:
    return cell.task, cell.kind


def _joined(parts: Sequence[FitData]) -> FitData:
    """Items of several numbers of options, as the service holds them."""
    most = max(part.logprobs.shape[1] for part in parts)

    def padded(array: Floats) -> Floats:
        missing = most - array.shape[1]
        return np.pad(array, ((0, 0), (0, missing)), constant_values=-np.inf)

    return FitData(
        np.concatenate([padded(part.logprobs) for part in parts]),
        teacher_logprobs=np.concatenate([padded(part.taught) for part in parts]),
        options=np.concatenate([np.full(len(p.logprobs), p.logprobs.shape[1]) for p in parts]),
    )


def _compared(
    name: str, values: Mapping[str, Floats], every: Sequence[TypedCell]
) -> dict[str, Any]:
    """Means over draws and cells, by the number of options too, and paired differences."""
    own = values[name]
    counts = sorted({cell.options for cell in every})
    by_options = {
        count: own[:, [cell.options == count for cell in every]].mean(axis=(0, 1)).tolist()
        for count in counts
    }
    return {
        "mean": dict(zip(MEASURES, own.mean(axis=(0, 1)).tolist(), strict=True)),
        "by_options": {
            count: dict(zip(MEASURES, found, strict=True)) for count, found in by_options.items()
        },
        "less": {
            other: {
                measure: _difference((own - values[other])[:, :, place].mean(axis=1))
                for place, measure in enumerate(MEASURES)
            }
            for other in (ALONE, AS_IT_IS)
            if other != name
        },
    }


def _difference(differences: Floats) -> dict[str, Any]:
    return {"mean": float(differences.mean()), "over_draws": over_draws(differences)}


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.option_counts", description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "option_counts.json")
    options = parser.parse_args()
    if not DUMP.exists():
        read(DUMP)
    with np.load(DUMP) as stored:
        arrays: Arrays = dict(stored)
    result = {
        "questions": QUESTIONS,
        "draws": DRAWS,
        "ways": {way: study(way, arrays) for way in WAYS},
        "simulated": [
            {
                "slope": slope,
                "scatter": scatter,
                "error": simulated(slope, scatter, np.random.default_rng(SEED)),
            }
            for slope, scatter in SCENARIOS
        ],
    }
    save(result, options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
