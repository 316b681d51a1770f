"""Option scores → the answer distribution, the calibrated one, and the choice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.core.calibrators.from_parameters import calibrator_of
from trueodds_service.core.calibrators.methods import CONFIDENCE_MAPS, Method
from trueodds_service.core.decisions import conformal
from trueodds_service.core.decisions.conformal import ConformalScore
from trueodds_service.errors import NotReady
from trueodds_service.store.calibrator import Calibrator


@dataclass(frozen=True, slots=True)
class Distributions:
    """For n questions of k options: ``answer`` and ``calibrated``, (n, k), ``choices``, (n,)."""

    answer: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choices: NDArray[np.intp]


def applied_by(calibrator: Calibrator) -> Applied:
    """What applies a stored calibrator. Raises ValueError where that is damaged."""
    scope, method = calibrator.scope, Method(calibrator.method)
    return calibrator_of(method, calibrator.parameters, scope.options, alone=scope.is_alone)


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


@dataclass(frozen=True, slots=True)
class SetRule:
    """How calibrated probabilities become an answer set; the threshold is in [0, 1]."""

    score: ConformalScore
    threshold: float


def answer_sets(calibrated: NDArray[np.float64], rule: SetRule | None) -> Sequence[tuple[int, ...]]:
    """The options of each question's set, the likeliest first; none without a rule."""
    if rule is None:
        return [()] * len(calibrated)
    # At 1 every option belongs to the set, whatever a sum of probabilities rounds to.
    threshold = np.inf if rule.threshold >= 1 else rule.threshold
    held = conformal.answer_sets(calibrated, threshold, rule.score)
    order = (-calibrated).argsort(axis=1, kind="stable")
    return [
        tuple(option for option in options if inside[option])
        for options, inside in zip(order.tolist(), held.tolist(), strict=True)
    ]


def mismatch(fitted_for: str) -> NotReady:
    """A calibrator is never applied outside its scope."""
    return NotReady(f"the calibrator was fitted for {fitted_for}", reason="SCOPE_MISMATCH")


def reading_mismatch(calibrator: Calibrator, reading: str) -> NotReady:
    """What is wrong with applying a calibrator to what is read otherwise."""
    return mismatch(f"another way of reading, {calibrator.scope.reading!r}, not {reading!r}")


def kind_mismatch(calibrator: Calibrator, *, alone: bool) -> NotReady | None:
    """What is wrong with applying a calibrator to confidences alone, or to rows of options."""
    if calibrator.scope.is_alone == alone:
        return None
    if not alone:
        return mismatch("confidences alone, and these are rows of options")
    able = ", ".join(f"METHOD_{method.name}" for method in CONFIDENCE_MAPS)
    return mismatch(
        f"rows of options, by METHOD_{calibrator.method.upper()}; confidences alone need one that "
        f"was fitted on such, by a map of confidence: {able}"
    )


def options_mismatch(calibrator: Calibrator, options: int) -> NotReady | None:
    """What is wrong with applying a calibrator to a question of ``options`` options."""
    if calibrator.scope.options in (0, options):  # 0: any number
        return None
    return mismatch(f"{calibrator.scope.options} options, not {options}")
