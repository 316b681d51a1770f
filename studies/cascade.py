"""Cascades: what share of the questions a small model may answer, what that saves, what it costs.

`python -m studies.cascade --data FOLDER` writes `results/cascade.json`. In each draw a calibrator
of the first model and a threshold come from some of the questions, and are measured on the rest.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studies.cascade_worlds import Floats, Labels, World, claims, demo, real
from studies.confidences.promises import claimed
from studies.demo_pair import DUMP
from studies.results import RESULTS, save
from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold
from trueodds_service.core.decisions.cascade import passed_on_threshold

DRAWS = 100
TARGETS = (0.05, 0.1, 0.2, 0.3)
SHARES = (0.3, 0.5, 0.7)
# As accurate as the last is within a point.
LOST = 0.01
FITTED = 1_000

RAW, CALIBRATED, RAW_PROMISED, PROMISED = RISK_RULES = (
    "raw, at its word",
    "calibrated, at its word",
    "raw, threshold with a promise",
    "calibrated, threshold with a promise",
)
RAW_SHARE, SHARE = SHARE_RULES = (
    "raw, a bound on what goes on",
    "calibrated, a bound on what goes on",
)
RAW_EQUAL, EQUAL = EQUAL_RULES = (
    "raw, as accurate as the last",
    "calibrated, as accurate as the last",
)

# What is measured in each draw. The risk is 0 where the first answers nothing; the cost of the last
# alone is 1.
MEASURES = ("kept", "risk", "answered", "cost")

Rule = tuple[str, float]
"""A rule by its name, and what it is to keep."""


def _thresholds(
    world: World, calibrated: Floats, some: Labels
) -> Iterator[tuple[Rule, Floats, float]]:
    """Each rule, with the confidences, (n,), that it looks at, and the least of them."""
    gains = world.right[some].astype(int) - world.last_right[some]
    labels = world.labels[some]
    for probs, word, promised, share, equal in (
        (world.raw, RAW, RAW_PROMISED, RAW_SHARE, RAW_EQUAL),
        (calibrated, CALIBRATED, PROMISED, SHARE, EQUAL),
    ):
        confidence = np.minimum(probs.max(axis=1), 1)
        own = confidence[some]
        for target in TARGETS:
            yield (word, target), confidence, claimed(own, target)
            found = abstention_threshold(probs[some], labels, target)
            yield (promised, target), confidence, found.min_confidence
        for target in SHARES:
            yield (share, target), confidence, passed_on_threshold(own, target).min_confidence
        yield (equal, LOST), confidence, as_accurate(own, gains)


def as_accurate(confidence: Floats, gains: Labels) -> float:
    """The least confidence from which on the first is right as often as the last, of items, (n,),
    on which it gains 1 where it alone is right, and -1 where the last alone is.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, won = confidence[order], gains[order].cumsum()
    # Of equal confidences all are answered, or none.
    is_end = np.append(ranked[1:] < ranked[:-1], True)
    ends = np.flatnonzero(is_end & (won >= 0))
    return float(ranked[ends[-1]]) if len(ends) else NEVER


def rows(world: World, draws: int) -> list[dict[str, Any]]:
    """What the first answers by each rule, whether that keeps what it is to, and the cost."""
    n = len(world.labels)
    found: dict[Rule, list[tuple[bool, float, float, float]]] = {}
    # What is won on each question where the first answers it, over the draws that measure it.
    gained: dict[Rule, Floats] = {}
    measured = np.zeros(n)
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(n)
        some, rest = order[:FITTED], order[FITTED:]
        measured[rest] += 1
        first_costs, last_costs = world.costs[rest].T
        won = world.right[rest].astype(float) - world.last_right[rest]
        for rule, confidence, least in _thresholds(world, world.calibrate(some), some):
            by_first = confidence[rest] >= least
            wrong = ~world.right[rest][by_first]
            risk = float(wrong.mean()) if len(wrong) else 0.0
            answered = float(by_first.mean())
            # A threshold that nothing reaches is not activated: the first is not asked.
            asked = first_costs.sum() if least < NEVER else 0.0
            cost = float((asked + last_costs[~by_first].sum()) / last_costs.sum())
            kept = _keeps(rule, risk, 1 - answered, float((won * by_first).mean()))
            found.setdefault(rule, []).append((kept, risk, answered, cost))
            gained.setdefault(rule, np.zeros(n))[rest] += won * by_first
    return [
        {
            **{name: getattr(world, name) for name in ("data", "task", "first", "last")},
            "rule": rule[0],
            "target": rule[1],
            **dict(zip(MEASURES, np.mean(own, axis=0).tolist(), strict=True)),
            "accuracy": _paired(gained[rule][measured > 0] / measured[measured > 0]),
        }
        for rule, own in found.items()
    ]


def _keeps(rule: Rule, risk: float, passed_on: float, won: float) -> bool:
    name, target = rule
    if name in SHARE_RULES:
        return passed_on <= target
    return won >= -target if name in EQUAL_RULES else risk <= target


def _paired(values: Floats) -> dict[str, float]:
    """The cascade's accuracy less the last model's, with its 95 % interval over the questions."""
    half = 1.96 * float(values.std()) / len(values) ** 0.5
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _told(world: World) -> dict[str, Any]:
    """What is known of a pair without any threshold."""
    names = ("data", "task", "first", "last", "cost")
    first, last = world.costs.mean(axis=0)
    return {
        **{each: getattr(world, each) for each in names},
        "n": len(world.labels),
        "first_accuracy": float(world.right.mean()),
        "last_accuracy": float(world.last_right.mean()),
        "tokens": world.tokens.mean(axis=0).tolist(),
        "first_cost": float(first / last),
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.cascade", description=__doc__)
    given = os.environ.get("CONFIDENCE")
    parser.add_argument("--data", type=Path, default=given, required=given is None)
    parser.add_argument("--demo", type=Path, default=DUMP)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "cascade.json")
    options = parser.parse_args()
    worlds = [*claims(options.data), *demo(options.demo), *real()]
    result = {
        "draws": options.draws,
        "fitted": FITTED,
        "worlds": [_told(world) for world in worlds],
        "rows": [row for world in worlds for row in rows(world, options.draws)],
    }
    save(result, options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
