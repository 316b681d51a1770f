"""Cascades: what share of the questions a small model may answer, what that saves, what it costs.

`python -m studies.cascade --data FOLDER` writes `results/cascade.json`. In each draw a calibrator
of the first model and a threshold come from some of the questions, and are measured on the rest.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.answers import Key, read
from studies.confidences.promises import claimed
from studies.demo_pair import DUMP, Dump
from studies.paper.readings import MMLU, Readings
from studies.results import READINGS, RESULTS, save
from trueodds_demo.service import ALIGNED, BASE
from trueodds_demo.world import TASKS
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold
from trueodds_service.core.decisions.cascade import in_turn
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

DRAWS = 100
TARGETS = (0.05, 0.1, 0.2, 0.3)
FITTED = 1_000
# The teacher needs no answers, and few questions.
TAUGHT = 20

# A token of the first in tokens of the last: by the parameters that each token goes through, in
# billions, and for GPT by the price of a prompt's token when these answers were recorded.
CLAIMS = {
    ("Llama-7b", "Llama-70b"): 6.7 / 69.0,
    ("Llama-13b", "Llama-70b"): 13.0 / 69.0,
    ("Yi-6b", "Yi-34b"): 6.1 / 34.4,
    ("Mistral", "Mixtral"): 7.2 / 12.9,
    ("gpt-3.5-turbo", "gpt-4-turbo"): 1 / 10,
}
# SmolLM2 135M, in a conversation, then Gemma 3 270M; the demo pair has two models of one size.
REAL = ("smollm2+chat", "gemma", 135 / 270)
REAL_WAY = "paren/5"
DEMO_COST = 1.0

RAW, CALIBRATED, RAW_PROMISED, PROMISED = RULES = (
    "raw, at its word",
    "calibrated, at its word",
    "raw, threshold with a promise",
    "calibrated, threshold with a promise",
)

# What is measured in each draw. The risk is 0 where the first answers nothing; the cost of the last
# alone is 1.
MEASURES = ("kept", "risk", "answered", "cost")

Calibrate = Callable[[Labels], Floats]
"""From the places of a fit to the calibrated distributions of all questions, (n, k)."""


@dataclass(frozen=True)
class World:
    """A pair of models on n questions: the first's answers, (n, k), and who is right, (n,).

    ``cost`` is a token of the first in tokens of the last.
    """

    data: str
    task: str
    first: str
    last: str
    cost: float
    raw: Floats
    labels: Labels
    last_right: NDArray[np.bool_]
    calibrate: Calibrate

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.raw.argmax(axis=1) == self.labels)


def claims(folder: Path) -> Iterator[World]:
    """Pairs of the twelve large models, of which the choice's confidence is all that is known."""
    answers = read(folder)
    for dataset in dict.fromkeys(dataset for dataset, _, _ in answers):
        for (first, last), cost in CLAIMS.items():
            keys: tuple[Key, Key] = (dataset, first, 1), (dataset, last, 1)
            own, others = (answers[key] for key in keys)
            _, mine, theirs = np.intersect1d(own.question, others.question, return_indices=True)
            own, others = own.take(mine), others.take(theirs)

            def calibrate(some: Labels, own: Any = own) -> Floats:
                found = fit(Method.BETA, own.take(some).fit_data).calibrator
                # Below chance another option would be the likeliest: the choice was made.
                least = (1 + 1e-6) / own.options
                confidence = np.maximum(found.apply(own.scores)[:, 0], least)
                rest = (1 - confidence) / (own.options - 1)
                return np.column_stack([confidence, *[rest] * (own.options - 1)])

            right = others.correct
            yield World(
                "claims", dataset, first, last, cost, own.probs, own.labels, right, calibrate
            )


def demo(dump: Path) -> Iterator[World]:
    """The overconfident one of the demo pair first, calibrated by the other from few questions."""
    read_ = Dump(dump)
    for task in TASKS:
        own, others = (read_.reading(task, model).logprobs for model in (ALIGNED, BASE))
        labels = read_.labels(task)

        def calibrate(some: Labels, own: Floats = own, others: Floats = others) -> Floats:
            few = some[:TAUGHT]
            data = FitData(own[few], teacher_logprobs=others[few])
            return fit(Method.TEACHER_KL, data).calibrator.apply(own)

        right = others.argmax(axis=1) == labels
        raw = answer_distribution(own)
        yield World("demo", task, ALIGNED, BASE, DEMO_COST, raw, labels, right, calibrate)


def real(paths: list[Path]) -> Iterator[World]:
    """Two small real models on MMLU, of which neither knows much."""
    first, last, cost = REAL
    own, others = Readings(paths).common([(first, REAL_WAY), (last, REAL_WAY)], MMLU)

    def calibrate(some: Labels) -> Floats:
        data = FitData(own.logprobs[some], labels=own.labels[some])
        return fit(Method.TEMPERATURE, data).calibrator.apply(own.logprobs)

    right = others.logprobs.argmax(axis=1) == others.labels
    raw = answer_distribution(own.logprobs)
    yield World("real", MMLU, first, last, cost, raw, own.labels, right, calibrate)


def _thresholds(
    raw: Floats, calibrated: Floats, labels: Labels, some: Labels
) -> Iterator[tuple[tuple[str, float], Floats, float]]:
    """Each rule and target, with the distributions that it looks at and the least confidence."""
    for target in TARGETS:
        for word, promised, probs in (
            (RAW, RAW_PROMISED, raw),
            (CALIBRATED, PROMISED, calibrated),
        ):
            yield (word, target), probs, claimed(probs[some].max(axis=1), target)
            found = abstention_threshold(probs[some], labels[some], target)
            yield (promised, target), probs, found.min_confidence


def rows(world: World, draws: int) -> list[dict[str, Any]]:
    """What the first answers by each rule and target, whether the promise is kept, and the cost."""
    n = len(world.labels)
    found: dict[tuple[str, float], list[tuple[bool, float, float, float]]] = {}
    # What is won on each question where the first answers it, over the draws that measure it.
    gained: dict[tuple[str, float], Floats] = {}
    measured = np.zeros(n)
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(n)
        some, rest = order[:FITTED], order[FITTED:]
        measured[rest] += 1
        calibrated = world.calibrate(some)
        for key, probs, least in _thresholds(world.raw, calibrated, world.labels, some):
            by_first = in_turn(probs[rest], probs[rest], least).by_first
            wrong = ~world.right[rest][by_first]
            risk = float(wrong.mean()) if len(wrong) else 0.0
            # A threshold that nothing reaches is not activated: the first is not asked.
            asked = world.cost if least < NEVER else 0.0
            kept = risk <= key[1]
            answered = float(by_first.mean())
            found.setdefault(key, []).append((kept, risk, answered, asked + 1 - answered))
            won = world.right[rest].astype(float) - world.last_right[rest]
            gained.setdefault(key, np.zeros(n))[rest] += won * by_first
    return [
        {
            **{name: getattr(world, name) for name in ("data", "task", "first", "last")},
            "rule": rule,
            "target": target,
            **dict(zip(MEASURES, np.mean(own, axis=0).tolist(), strict=True)),
            "accuracy": _paired(gained[rule, target][measured > 0] / measured[measured > 0]),
        }
        for (rule, target), own in found.items()
    ]


def _paired(values: Floats) -> dict[str, float]:
    """The cascade's accuracy less the last model's, with its 95 % interval over the questions."""
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half}


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.cascade", description=__doc__)
    given = os.environ.get("CONFIDENCE")
    parser.add_argument("--data", type=Path, default=given, required=given is None)
    parser.add_argument("--demo", type=Path, default=DUMP)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "cascade.json")
    options = parser.parse_args()
    worlds = [*claims(options.data), *demo(options.demo), *real(READINGS)]
    result = {
        "draws": options.draws,
        "fitted": FITTED,
        "worlds": [
            {
                **{
                    each: getattr(world, each) for each in ("data", "task", "first", "last", "cost")
                },
                "n": len(world.labels),
                "first_accuracy": float(world.right.mean()),
                "last_accuracy": float(world.last_right.mean()),
            }
            for world in worlds
        ],
        "rows": [row for world in worlds for row in rows(world, options.draws)],
    }
    save(result, options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
