"""A map fitted elsewhere: on the other data set, or on the same questions' other phrasing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from studies.confidences.answers import DATASETS, PHRASINGS, Answers, Key
from studies.confidences.intervals import over_models
from studies.confidences.maps import RAW, fitted, score
from trueodds_service.core.calibrators.methods import Method

FITTED_ON = 1_000
METHOD = Method.BETA.value


def transfer(answers: Mapping[Key, Answers], draws: int) -> list[dict[str, Any]]:
    """A row for each model and move."""
    return [
        {"move": move, "model": model, **_one(answers[here], answers[there], draws)}
        for move, model, here, there in _moves(answers)
    ]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What each move costs against no map and against one fitted there."""
    found: dict[str, Any] = {}
    for move in dict.fromkeys(row["move"] for row in rows):
        own = [row for row in rows if row["move"] == move]
        found[move] = {
            "helped": sum(row["moved"]["brier"] < row["raw"]["brier"] for row in own),
            "models": len(own),
            **{name: float(np.mean([r[name]["ece"] for r in own])) for name in _KINDS},
            "ece_less_raw": over_models(_less(own, "ece", "raw")),
            "brier_less_raw": over_models(_less(own, "brier", "raw")),
            "ece_less_own": over_models(_less(own, "ece", "own")),
            "brier_less_own": over_models(_less(own, "brier", "own")),
        }
    return found


_KINDS = ("raw", "moved", "own")  # no map, the one from here, one from there


def _moves(answers: Mapping[Key, Answers]) -> Iterator[tuple[str, str, Key, Key]]:
    first, second = PHRASINGS
    for model in dict.fromkeys(model for _, model, _ in answers):
        for here, there in (DATASETS, DATASETS[::-1]):
            yield f"{here} to {there}", model, (here, model, first), (there, model, first)
        for dataset in DATASETS:
            move = f"{dataset}, to another phrasing"
            yield move, model, (dataset, model, first), (dataset, model, second)


def _one(here: Answers, there: Answers, draws: int) -> dict[str, dict[str, float]]:
    """ECE and Brier score there, without a map, with the one from here, and with one from there.

    A question that a map was fitted on is not asked again in another phrasing.
    """
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        seen = here.take(rng.permutation(len(here))[:FITTED_ON])
        fresh = there.take(~np.isin(there.question, seen.question))
        order = rng.permutation(len(fresh))
        own, others = fresh.take(order[:FITTED_ON]), fresh.take(order[FITTED_ON:])
        seen = seen.among(there.options)
        for kind, (name, by) in zip(
            _KINDS, ((RAW, own), (METHOD, seen), (METHOD, own)), strict=True
        ):
            reached = score(fitted(name, by)[0](others), others.correct)
            found[kind].append((reached.ece, reached.brier))
    return {
        kind: {
            "ece": float(np.mean([ece for ece, _ in values])),
            "brier": float(np.mean([brier for _, brier in values])),
        }
        for kind, values in found.items()
    }


def _less(rows: list[dict[str, Any]], measure: str, than: str) -> dict[str, list[float]]:
    return {row["model"]: [row["moved"][measure] - row[than][measure]] for row in rows}
