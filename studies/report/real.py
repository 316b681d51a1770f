"""Claims about Gemma 3 270M, what alignment makes of it, and SmolLM2-135M-Instruct, on MMLU."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from studies.paper.readings import MMLU
from studies.paper.schemes import REALISTIC
from studies.report import paper
from studies.report.claims import Claim
from studies.report.paper import FROM, MANY, MEASURES, SCHEME_NAMES, Place, cells

BASE = "gemma"
_STRANGERS = ("smollm2", "smollm2+chat")
PLACE = Place(
    prefix="",
    names={
        BASE: "Gemma",
        **SCHEME_NAMES,
        "smollm2": "SmolLM2",
        "smollm2+chat": "SmolLM2 in conversations",
    },
    base=BASE,
    pretrained=(BASE,),
    aligned=(*_STRANGERS, REALISTIC),
    variants="Gemma's variants, teacher of their own family",
    strangers=_STRANGERS,
    others="SmolLM2, plain and in conversations, teacher of another",
)


def claims(result: dict[str, Any]) -> Iterator[Claim]:
    """All of them, by finding."""
    effects = result["effects"]
    yield from paper.pretrained(PLACE, effects)
    yield from paper.decomposition(PLACE, result, MMLU)
    yield from paper.aligned(PLACE, effects)
    yield from paper.schemes(PLACE, effects)
    subjects = [row for row in result["subjects"] if row["n"] == FROM]
    less = _less(subjects, "teacher_kl", "identity")
    yield from paper.repair(PLACE, less, result["subject_draws"], "subjects")
    drawn = _less(subjects, "teacher_pooled", "teacher_kl")
    means = {key: float(np.mean(values)) for key, values in drawn.items()}
    yield from paper.pooling(PLACE, means, FROM, "33 to 61 subjects")
    yield from paper.methods(PLACE, cells(result["posthoc"], FROM), FROM)
    yield from paper.by_question(PLACE, _by_question(result["decomposition"]))
    yield from paper.by_variant(PLACE, result["table"], MMLU, cells(result["posthoc"], MANY))
    yield from paper.warnings(PLACE, "all of MMLU", result["signs"])
    yield from paper.warnings(PLACE, "a subject", result["subject_signs"])


def _less(
    rows: Sequence[dict[str, Any]], one: str, other: str
) -> dict[tuple[str, str], list[float]]:
    """What each subject's ECE is less with one method than with the other."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["model"], row["way"]), []).append(row[one] - row[other])
    return found


def _by_question(rows: Sequence[dict[str, Any]]) -> dict[str, dict[tuple[str, str], float]]:
    return {
        measure: {(r["model"], r["way"]): r[measure]["mean"] for r in rows if r[measure]}
        for measure in MEASURES
    }
