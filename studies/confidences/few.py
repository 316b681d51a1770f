"""Which map, from how many answers? Drawn, fitted, measured on a model's other answers."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from studies.confidences.answers import PHRASINGS, Answers, Key
from studies.confidences.intervals import over_models
from studies.confidences.maps import NAMES, RAW, Scores, fitted, score

SIZES = (20, 50, 200, 1_000)


def few(answers: Mapping[Key, Answers], draws: int) -> list[dict[str, Any]]:
    """A cell for each data set, model, method and number of answers."""
    return [
        cell
        for (dataset, model, phrasing), found in answers.items()
        if phrasing == PHRASINGS[0]
        for cell in _cells(dataset, model, found, draws)
    ]


def _cells(dataset: str, model: str, answers: Answers, draws: int) -> list[dict[str, Any]]:
    cells = []
    for n in SIZES:
        scores: dict[str, list[Scores]] = defaultdict(list)
        fallbacks: dict[str, int] = defaultdict(int)
        for draw in range(draws):
            order = np.random.default_rng((draw, n)).permutation(len(answers))
            some, others = answers.take(order[:n]), answers.take(order[n:])
            for name in NAMES:
                apply, fell_back = fitted(name, some)
                scores[name].append(score(apply(others), others.correct))
                fallbacks[name] += fell_back
        for name in NAMES:
            raw, own = scores[RAW], scores[name]
            worse = [o.brier > r.brier for o, r in zip(own, raw, strict=True)]
            cells.append(
                {
                    "dataset": dataset,
                    "model": model,
                    "n": n,
                    "method": name,
                    "brier": _mean(own, "brier"),
                    "log_loss": _mean(own, "log_loss"),
                    "ece": _mean(own, "ece"),
                    "worst_ece": float(np.percentile([each.ece for each in own], 97.5)),
                    "worse_than_raw": float(np.mean(worse)),
                    "fell_back": fallbacks[name] / draws,
                }
            )
    return cells


def _mean(scores: list[Scores], name: str) -> float:
    return float(np.mean([getattr(each, name) for each in scores]))


def summary(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How each method does at each number of answers, over all models and both data sets."""
    raw = {(c["dataset"], c["model"], c["n"]): c for c in cells if c["method"] == RAW}
    best: dict[tuple[str, str, int], str] = {}
    for key in raw:
        rivals = [c for c in cells if (c["dataset"], c["model"], c["n"]) == key]
        best[key] = min(rivals, key=lambda c: c["brier"])["method"]
    rows = []
    for n in SIZES:
        for name in NAMES:
            own = [c for c in cells if (c["n"], c["method"]) == (n, name)]
            row: dict[str, Any] = {"n": n, "method": name}
            for measure in ("brier", "log_loss", "ece"):
                less: dict[str, list[float]] = defaultdict(list)
                for cell in own:
                    before = raw[cell["dataset"], cell["model"], n]
                    less[cell["model"]].append(cell[measure] - before[measure])
                row[measure] = float(np.mean([cell[measure] for cell in own]))
                row[f"{measure}_less_raw"] = over_models(less)
            for measure in ("worst_ece", "worse_than_raw", "fell_back"):
                row[measure] = float(np.mean([cell[measure] for cell in own]))
            row["best_in"] = sum(best[c["dataset"], c["model"], n] == name for c in own)
            row["cells"] = len(own)
            rows.append(row)
    return rows
