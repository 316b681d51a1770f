"""A hosted service's confidences, in steps of 0.01, through this one: fitted on few, then applied.

The service's own servicer, with its store and without an engine: what a caller sends and gets.
"""

import asyncio
import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.answers import Answers, Floats, Key
from studies.confidences.few import SIZES
from studies.confidences.maps import METHODS, score
from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.core.metrics.reliability import null_ece
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.rpc.calibration.servicer import CalibrationServicer
from trueodds_service.store import SqlCalibratorStore, upgrade

# Llama-2-chat of 70 billion, in the first phrasing.
CASE: Key = ("mmlu", "Llama-70b", 1)
STEP = 0.01
BEFORE = "before"
ASKED = {method.value: pb.Method.Value(f"METHOD_{method.name}") for method in METHODS} | {
    "auto": pb.METHOD_AUTO
}
_MODEL = "hosted"


def service(answers: Mapping[Key, Answers], draws: int) -> list[dict[str, Any]]:
    """A row for each number of answers and method; of the one case alone."""
    if CASE not in answers:
        return []
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_rows(answers[CASE], draws, Path(folder)))


async def _rows(answers: Answers, draws: int, folder: Path) -> list[dict[str, Any]]:
    url = f"sqlite:///{folder}/store.db"
    upgrade(url)
    calibrators = Calibrators(SqlCalibratorStore(url))
    await calibrators.open()
    catalog = Catalog({_MODEL: ModelEntry(_MODEL, "1", "1", None)})
    limits = Limits(max_items=len(answers))
    # It is asked for no outcomes, alerts and checks.
    nobody: Any = None
    asked = CalibrationServicer(catalog, calibrators, nobody, nobody, nobody, limits)
    said = answers.confidence.round(-round(math.log10(STEP)))
    rows = []
    for n in SIZES:
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        for draw in range(draws):
            order = np.random.default_rng((draw, n)).permutation(len(answers))
            some, others = order[:n], order[n:]
            truth = answers.correct[others]
            before = np.clip(said[others], STEP / 2, 1 - STEP / 2)
            found[BEFORE].append(_measured(before, truth, n))
            for name, method in ASKED.items():
                fitted = await _fit(asked, method, said[some], answers.correct[some])
                # What is told in steps takes few values, and each is asked for once.
                values, place = np.unique(said[others], return_inverse=True)
                applied = (await _applied(asked, fitted.name, values))[place]
                fell_back = float(bool(fitted.fallback))
                found[name].append({**_measured(applied, truth, n), "fell_back": fell_back})
        rows += [
            {"n": n, "method": name}
            | {key: float(np.mean([each[key] for each in own])) for key in own[0]}
            | {"worst_ece": float(np.percentile([each["ece"] for each in own], 97.5))}
            for name, own in found.items()
        ]
    calibrators.close()
    return rows


def _measured(confidence: Floats, correct: NDArray[np.bool_], n: int) -> dict[str, float]:
    """ECE and Brier score; and what ECE a calibrated model with these confidences would show, on
    all of these answers, and on as many as the map was fitted on.
    """
    found = score(confidence, correct)
    return {
        "ece": found.ece,
        "null_ece": null_ece(confidence, draws=100),
        "null_ece_of_n": null_ece(confidence[:n], draws=100),
        "brier": found.brier,
    }


async def _fit(
    asked: CalibrationServicer,
    method: pb.Method.ValueType,
    said: Floats,
    correct: NDArray[np.bool_],
) -> pb.Calibrator:
    items = [
        pb.FitScore(confidence=each, correct=bool(right))
        for each, right in zip(said.tolist(), correct.tolist(), strict=True)
    ]
    request = pb.FitCalibratorRequest(
        model=f"models/{_MODEL}",
        method=method,
        scores=pb.FitScores(items=items, probability_step=STEP),
    )
    events = asked.FitCalibrator(request, None)  # type: ignore[arg-type]
    *_, last = [event async for event in events]
    return last.calibrator


async def _applied(asked: CalibrationServicer, name: str, said: Floats) -> Floats:
    items = [pb.OptionScores(confidence=each) for each in said.tolist()]
    request = pb.CalibrateRequest(name=name, items=items, probability_step=STEP)
    response = await asked.Calibrate(request, None)  # type: ignore[arg-type]
    return np.array([each.scores.calibrated_confidence for each in response.outcomes])


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows: there is one case."""
    return rows
