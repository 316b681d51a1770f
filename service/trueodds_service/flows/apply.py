"""Option scores → the answer distribution, the calibrated one, and the choice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.calibrators import Calibrator as Applied
from trueodds_service.core.distributions import answer_distribution
from trueodds_service.errors import NotReady
from trueodds_service.store.calibrator import Calibrator


@dataclass(frozen=True, slots=True)
class Distributions:
    """Of n questions with k options: ``answer`` and ``calibrated``, (n, k), ``choices``, (n,)."""

    answer: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choices: NDArray[np.intp]


def distributions(
    scores: NDArray[np.float64], calibrator: Calibrator | None, applied: Applied | None
) -> Distributions:
    """What ``applied`` makes of scores, (n, k); without it the calibrated ones are the raw ones.

    A choice is the first option with the largest calibrated probability.
    """
    answer = answer_distribution(scores)
    calibrated = answer if applied is None else applied.apply(scores)
    # Where the order stays, scores tell options apart that are equal once rounded.
    keeps_order = calibrator is None or calibrator.keeps_choice
    return Distributions(answer, calibrated, (scores if keeps_order else calibrated).argmax(axis=1))


def mismatch(fitted_for: str) -> NotReady:
    """A calibrator is never applied outside its scope."""
    return NotReady(f"the calibrator was fitted for {fitted_for}", reason="SCOPE_MISMATCH")


def options_mismatch(calibrator: Calibrator, options: int) -> NotReady | None:
    """What is wrong with applying a calibrator to a question of so many options."""
    if calibrator.scope.options == options:
        return None
    return mismatch(f"{calibrator.scope.options} options, not {options}")
