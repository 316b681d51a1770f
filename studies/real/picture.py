"""The README's picture of a real model, from its readings: `python -m studies.real.picture`.

SmolLM2-135M-Instruct as it comes, on MMLU: raw, and with one temperature a subject from five
unlabelled questions and a pre-trained teacher of another family, Gemma 3 270M.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies.paper.posthoc import cases
from studies.paper.readings import MMLU, Readings
from studies.results import READINGS
from trueodds.report.pair import CAPTION, Side, picture
from trueodds_demo.report import Bin
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.metrics.reliability import ece, reliability_bins

MODEL, WAY, TEACHER = "smollm2", "paren/0", "gemma"
QUESTIONS, SEED = 5, 0
OUTPUT = Path("docs/reliability-real.svg")


def drawn() -> str:
    """The picture, of the questions that no fit has seen."""
    readings = Readings(READINGS)
    subjects = [name for name in readings.subjects if name.startswith(f"{MMLU}/")]
    rng = np.random.default_rng(SEED)
    told: dict[Method, list[NDArray[np.float64]]] = {Method.IDENTITY: [], Method.TEACHER_KL: []}
    right = []
    for case in cases(readings, MODEL, WAY, TEACHER, subjects).values():
        order = rng.permutation(len(case.own))
        data, held_out = case.data(order[:QUESTIONS]), case.own.take(order[QUESTIONS:])
        right.append(held_out.logprobs.argmax(axis=1) == held_out.labels)
        for method, confidences in told.items():
            probabilities = fit(method, data).calibrator.apply(held_out.logprobs)
            confidences.append(np.minimum(probabilities.max(axis=1), 1.0))
    correct = np.concatenate(right)
    raw, calibrated = (np.concatenate(each) for each in told.values())
    sides = [
        _side("before", "Before", "raw probabilities", raw, correct),
        _side("after", "After", "one temperature a subject", calibrated, correct),
    ]
    asked = f"{len(correct):,} questions, {len(subjects)} subjects"
    title = "Reliability before and after calibration, SmolLM2 on MMLU"
    return picture(sides, title=title, caption=f"{asked} · {CAPTION}")


def _side(
    key: str,
    heading: str,
    note: str,
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
) -> Side:
    error = f"{ece(confidence, correct):.3f}"
    return Side(key, heading, note, error, "calibration error", _bins(confidence, correct))


def _bins(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Sequence[Bin]:
    found = reliability_bins(confidence, correct)
    columns = (found.lower, found.upper, found.count, found.confidence, found.accuracy)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Bin(*row) for row in rows if row[2]]


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.picture", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.parse_args().output.write_text(drawn(), encoding="utf-8")


if __name__ == "__main__":
    main()
