"""Maps of confidence from few answers: fitted on some, measured on the others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.confidences.answers import Answers, Floats
from studies.methods import is_degenerate
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS

# Every method of the service that looks at the choice's confidence alone.
METHODS = (Method.BETA, Method.ISOTONIC, Method.SCALING_BINNING, Method.KDE)
RAW, RATE = "raw", "share right"
# What every method is told beside: no map, and one number for all answers.
NAMES = (RAW, RATE, *(method.value for method in METHODS))

# Log loss of a wrong certainty: ln of a confidence's last digit.
_FLOOR = 5e-6


@dataclass(frozen=True)
class Scores:
    """How good confidences are: Brier score and log loss of right and wrong, and the ECE."""

    brier: float
    log_loss: float
    ece: float


def score(confidence: Floats, correct: NDArray[np.bool_]) -> Scores:
    """All three; ECE in ten bins of equal width."""
    right = correct.astype(float)
    place = np.minimum((confidence * DEFAULT_BINS).astype(np.intp), DEFAULT_BINS - 1)
    gaps = np.bincount(place, weights=confidence - right, minlength=DEFAULT_BINS)
    said = np.clip(np.where(correct, confidence, 1 - confidence), _FLOOR, 1.0)
    return Scores(
        float(np.mean((confidence - right) ** 2)),
        float(-np.log(said).mean()),
        float(np.abs(gaps).sum() / len(right)),
    )


Map = Callable[[Answers], Floats]


def fitted(name: str, answers: Answers) -> tuple[Map, bool]:
    """A map of confidences by its name, and whether the method fell back to another."""
    if name == RAW:
        return lambda others: others.confidence, False
    if name == RATE:
        # Laplace's rule: a handful of right answers is no certainty.
        rate = (answers.correct.sum() + 1) / (len(answers) + 2)
        return lambda others: np.full(len(others), rate), False
    found = fit(Method(name), answers.fit_data)
    # Option 0 is the choice that was made, whichever is the likeliest after.
    return lambda others: found.calibrator.apply(others.scores)[:, 0], is_degenerate(found)
