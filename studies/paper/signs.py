"""Where a teacher's temperature harms, do the fit's own questions tell? Without a label."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from studies.paper.posthoc import SIGNS

HARM = 0.01


def signs(fits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How well each sign ranks harmful fits above others, models drawn anew."""
    models = sorted({fit["model"] for fit in fits})
    harmful = np.array([fit["harm"] > HARM for fit in fits])
    of_model = [np.array([fit["model"] == model for fit in fits]) for model in models]
    found: dict[str, Any] = {
        "fits": len(fits),
        "harmful": float(harmful.mean()),
        "harmful_by_model": {
            model: float(harmful[rows].mean()) for model, rows in zip(models, of_model, strict=True)
        },
    }
    if not harmful.any() or harmful.all():
        return found  # nothing to tell apart
    rng = np.random.default_rng(0)
    for sign in SIGNS:
        values = np.array([fit[sign] for fit in fits])
        drawn = []
        for _ in range(200):
            rows = np.concatenate(
                [np.flatnonzero(of_model[m]) for m in rng.integers(0, len(models), len(models))]
            )
            drawn.append(_auroc(values[rows], harmful[rows]))
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        found[sign] = {
            "auroc": {
                "mean": _auroc(values, harmful),
                "low": float(low),
                "high": float(high),
                "n": len(models),
            },
            # Warned of: the tenth of all fits where the sign is largest.
            "right_of_warnings": float(harmful[values >= np.quantile(values, 0.9)].mean()),
        }
    return found


def _auroc(values: np.ndarray[Any, Any], harmful: np.ndarray[Any, Any]) -> float:
    """The probability that a harmful fit has the larger value; NaN without both kinds."""
    many, few = int(harmful.sum()), int((~harmful).sum())
    if not (many and few):
        return float("nan")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[harmful].sum() - many * (many + 1) / 2) / (many * few))
