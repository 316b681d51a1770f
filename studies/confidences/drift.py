"""The task changes under a calibrator: when do its outcomes tell, and when its confidences alone?

A map is fitted on one data set; then answers to more of that come in, and from a day on answers to
the other one. The tests of `core/monitoring` look after each.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from studies.confidences.answers import DATASETS, PHRASINGS, Answers, Key
from studies.confidences.intervals import over_models
from studies.confidences.maps import fitted, score
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.monitoring.calibrated import CalibrationTest
from trueodds_service.core.monitoring.shifted import ShiftTest

FITTED_ON, BEFORE, AFTER = 1_000, 2_000, 3_000
ALPHA = 0.01
# A map whose ECE on the other task is below this still holds there: nothing broke.
BROKEN = 0.05


def drift(answers: Mapping[Key, Answers], draws: int) -> list[dict[str, Any]]:
    """By model and direction: alarms before the change, found after it, and delays."""
    first = PHRASINGS[0]
    return [
        {
            "move": f"{here} to {there}",
            "model": model,
            **_one(answers[here, model, first], answers[there, model, first], draws),
        }
        for here, there in (DATASETS, DATASETS[::-1])
        for model in dict.fromkeys(model for _, model, _ in answers)
    ]


def _one(here: Answers, there: Answers, draws: int) -> dict[str, Any]:
    alarms: dict[str, list[int | None]] = {"outcomes": [], "confidences": []}
    errors = []
    for draw in range(draws):
        rng = np.random.default_rng((draw, 1))
        known = here.take(rng.permutation(len(here))[: FITTED_ON + BEFORE])
        new = there.take(rng.permutation(len(there))[:AFTER])
        reference = known.take(np.arange(FITTED_ON))
        new = new.among(here.options)
        apply, _ = fitted(Method.BETA.value, reference)
        before = known.take(np.arange(FITTED_ON, FITTED_ON + BEFORE))
        confidence = np.concatenate([apply(before), apply(new)])
        errors.append(score(apply(new), new.correct).ece)
        promise = CalibrationTest(ALPHA)
        promise.add(confidence, np.concatenate([before.correct, new.correct]))
        alarms["outcomes"].append(promise.any.alarm_at)
        shift = ShiftTest(apply(reference), ALPHA, seed=draw)
        shift.add(confidence)
        alarms["confidences"].append(shift.shifted.alarm_at)
    return {"ece_after": float(np.mean(errors))} | {
        name: _delays(found) for name, found in alarms.items()
    }


def _delays(alarms: list[int | None]) -> dict[str, Any]:
    early = [at is not None and at <= BEFORE for at in alarms]
    delays = [at - BEFORE for at in alarms if at is not None and at > BEFORE]
    late = len(alarms) - sum(early)
    return {
        "early": float(np.mean(early)),
        "found": len(delays) / late if late else None,
        "delay": float(np.median(delays)) if delays else None,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all: where the map no longer held on the other task, and where it did."""
    said: dict[str, Any] = {}
    for test in ("outcomes", "confidences"):
        early: dict[str, list[float]] = {}
        for row in rows:
            early.setdefault(row["model"], []).append(row[test]["early"])
        said[test] = {"early": over_models(early)}
        for name, broken in (("broken", True), ("held", False)):
            own = [row for row in rows if (row["ece_after"] >= BROKEN) is broken]
            found: dict[str, list[float]] = {}
            for row in own:
                if row[test]["found"] is not None:
                    found.setdefault(row["model"], []).append(row[test]["found"])
            delays = [row[test]["delay"] for row in own if row[test]["delay"] is not None]
            said[test][name] = {
                "cases": len(own),
                "found": over_models(found) if found else None,
                "median_delay": float(np.median(delays)) if delays else None,
            }
    return said
