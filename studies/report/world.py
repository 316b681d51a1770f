"""Claims about models of three sizes in the demo's world, and what alignment makes of one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from studies.paper.posthoc import POOLED, SIZES, TEACHER
from studies.paper.readings import WORLD
from studies.paper.schemes import REALISTIC
from studies.report import paper
from studies.report.claims import Claim
from studies.report.paper import FROM, MANY, MEASURES, SCHEME_NAMES, Place, cells
from studies.world.models import BASE, DEMO, LARGE, SMALL

PLACE = Place(
    prefix="world-",
    names={
        SMALL: "the world's base of 0.6 million",
        BASE: "the demo's base, 2.5 million",
        LARGE: "the world's base of 4.3 million",
        **{scheme: f"{name} in the demo's world" for scheme, name in SCHEME_NAMES.items()},
        DEMO: "the demo's aligned model",
    },
    base=BASE,
    pretrained=(SMALL, BASE, LARGE),
    aligned=(DEMO, REALISTIC),
    variants="the demo's world, eight variants",
)


def claims(result: dict[str, Any]) -> Iterator[Claim]:
    """All of them, by finding."""
    effects, posthoc = result["effects"], result["posthoc"]
    yield from paper.pretrained(PLACE, effects)
    yield from paper.decomposition(PLACE, result, WORLD)
    yield from paper.aligned(PLACE, effects)
    yield from paper.schemes(PLACE, effects)
    yield from paper.repair(PLACE, _less_raw(posthoc), result["draws"], "tasks")
    for n in SIZES:
        found = cells(posthoc, n)
        less = {key: each[POOLED] - each[TEACHER] for key, each in found.items()}
        yield from paper.pooling(PLACE, less, n, "seven tasks")
        yield from paper.methods(PLACE, found, n)
    yield from paper.by_question(PLACE, _by_question(result["decomposition"]))
    yield from paper.by_variant(PLACE, result["table"], WORLD, cells(posthoc, MANY))
    yield from paper.warnings(PLACE, "the demo's world", result["signs"])


def _less_raw(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[float]]:
    """What the teacher's temperature takes off each task's ECE."""
    eces = {(r["model"], r["way"], r["method"]): r["ece"] for r in rows if r["n"] == FROM}
    return {
        (model, way): (np.array(ece) - np.array(eces[model, way, "identity"])).tolist()
        for (model, way, method), ece in eces.items()
        if method == TEACHER
    }


def _by_question(rows: Sequence[dict[str, Any]]) -> dict[str, dict[tuple[str, str], float]]:
    """The mean over the tasks of each model and way."""
    found: dict[str, dict[tuple[str, str], list[float]]] = {measure: {} for measure in MEASURES}
    for row in rows:
        for measure in MEASURES:
            if row[measure]:
                of_one = found[measure].setdefault((row["model"], row["way"]), [])
                of_one.append(row[measure]["mean"])
    return {
        measure: {key: float(np.mean(values)) for key, values in each.items()}
        for measure, each in found.items()
    }
