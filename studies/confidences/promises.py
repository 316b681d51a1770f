"""Abstention thresholds: is what was promised of the answers kept?

A model's answers are the world: thresholds are found on n of them, drawn with replacement, and
the risk that they were found for is that of all. So it is known exactly.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.answers import DATASETS, PHRASINGS, Answers, Floats, Key
from studies.confidences.intervals import over_models
from studies.confidences.maps import fitted
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold

SIZES = (200, 1_000)
TARGETS = (0.1, 0.2, 0.3)

Mask = NDArray[np.bool_]


def promises(answers: Mapping[Key, Answers], draws: int) -> list[dict[str, Any]]:
    """How often the risk is kept and what share is answered, by model, rule, target and size."""
    return [
        {"dataset": key[0], "model": key[1], **row}
        for key, found in answers.items()
        if key[2] == PHRASINGS[0]
        for row in _rows(found, answers[_other(key)], draws)
    ]


def _other(key: Key) -> Key:
    """The same model's answers to the other data set."""
    (dataset,) = set(DATASETS) - {key[0]}
    return dataset, *key[1:]


RAW, MAPPED, GUARANTEED, MOVED = RULES = (
    "raw, at its word",
    "beta map, at its word",
    "threshold with a guarantee",
    "the same threshold, the other task",
)


def _answered(
    some: Answers, world: Answers, elsewhere: Answers
) -> Iterator[tuple[tuple[str, float], Mask, Answers]]:
    """Each rule and target, with which answers it gives, (N,), and of which.

    A word is taken where confidences are believed: as long as those answered claim a risk within
    the target. The map is fitted on the answers drawn; the guarantee has a probability of 95 %.
    """
    mapped = fitted(Method.BETA.value, some)[0](world)
    for target in TARGETS:
        yield (RAW, target), world.confidence >= claimed(world.confidence, target), world
        yield (MAPPED, target), mapped >= claimed(mapped, target), world
        found = abstention_threshold(some.probs, some.labels, target)
        for name, asked in ((GUARANTEED, world), (MOVED, elsewhere)):
            yield (name, target), asked.confidence >= found.min_confidence, asked


def claimed(confidence: Floats, target: float) -> float:
    """The least confidence from which on the mean of 1 − c is within the target."""
    ranked = np.sort(confidence)[::-1]
    mean = np.cumsum(1 - ranked) / np.arange(1, len(ranked) + 1)
    (kept,) = np.nonzero(mean <= target)
    return float(ranked[kept[-1]]) if len(kept) else NEVER


def _rows(world: Answers, elsewhere: Answers, draws: int) -> list[dict[str, Any]]:
    rows = []
    for n in SIZES:
        risks: dict[tuple[str, float], list[float]] = defaultdict(list)
        covered: dict[tuple[str, float], list[float]] = defaultdict(list)
        for draw in range(draws):
            places = np.random.default_rng((draw, n)).integers(0, len(world), n)
            for key, answered, asked in _answered(world.take(places), world, elsewhere):
                wrong = ~asked.correct[answered]
                risks[key].append(float(wrong.mean()) if len(wrong) else 0.0)
                covered[key].append(float(answered.mean()))
        rows += [
            {
                "n": n,
                "target": target,
                "rule": name,
                "kept": float(np.mean(np.array(found) <= target)),
                "risk": float(np.mean(found)),
                "coverage": float(np.mean(covered[name, target])),
                "answers_nothing": float(np.mean(np.array(covered[name, target]) == 0)),
            }
            for (name, target), found in risks.items()
        ]
    return rows


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same over all models and both data sets."""
    found = []
    for n in SIZES:
        for target in TARGETS:
            for name in RULES:
                own = [r for r in rows if (r["n"], r["target"], r["rule"]) == (n, target, name)]
                kept: dict[str, list[float]] = {}
                for row in own:
                    kept.setdefault(row["model"], []).append(row["kept"])
                found.append(
                    {
                        "n": n,
                        "target": target,
                        "rule": name,
                        "kept": over_models(kept),
                        "least_kept": min(row["kept"] for row in own),
                        **{
                            each: float(np.mean([row[each] for row in own]))
                            for each in ("risk", "coverage", "answers_nothing")
                        },
                    }
                )
    return found
