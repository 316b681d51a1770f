"""How good confidences are of which nothing else is known, against whether the answers are right.

The metrics are those of ``evaluate``, by their names, of one event: that the answer is right. So
``nll`` is the log loss of that, and ``brier`` its squared error, in [0, 1]. There is no class-wise
error.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_correct
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS, as_confidence
from trueodds_service.core.metrics.null_errors import DRAWS, drawn_errors
from trueodds_service.core.metrics.paired import PairedIntervals, paired_answers
from trueodds_service.core.metrics.reliability import null_ece
from trueodds_service.core.metrics.weighted import SortedAnswers, measures

_NOT_OF_CONFIDENCES = "ece_classwise"


def evaluate_confidences(
    confidence: ArrayLike, correct: ArrayLike, bins: int = DEFAULT_BINS, seed: int = 0
) -> dict[str, float]:
    """Every metric by name, ``null_ece`` among them.

    ``confidence``, (n,), n ≥ 1, is in [0, 1], and ``correct``, (n,), holds booleans or 0 and 1;
    ``bins`` and ``seed`` are as for ``evaluate``. Raises ValueError where they are not.
    """
    answers = _answers(confidence, correct)
    found = measures(answers, np.ones(len(answers.labels)), bins)
    del found[_NOT_OF_CONFIDENCES]
    values = {name: float(value) for name, value in found.items()}
    return values | {"null_ece": null_ece(answers.confidence, bins, seed=seed)}


def null_confidence_errors(
    confidence: ArrayLike, bins: int = DEFAULT_BINS, *, seed: int = 0
) -> dict[str, float]:
    """``null_errors`` of confidences alone: each answer is right with its confidence."""
    conf = as_confidence(confidence)
    outcomes = np.column_stack([conf, 1 - conf])
    chosen = np.zeros(conf.size, dtype=np.int64)
    found = drawn_errors(outcomes, conf, chosen, bins, DRAWS, seed)
    del found[_NOT_OF_CONFIDENCES]
    return found


def paired_confidence_intervals(
    before: ArrayLike, after: ArrayLike, correct: ArrayLike, bins: int = DEFAULT_BINS, seed: int = 0
) -> dict[str, PairedIntervals]:
    """``paired_intervals`` of two confidences in the same answers, (n,) each."""
    found = paired_answers(_answers(before, correct), _answers(after, correct), bins, seed)
    del found[_NOT_OF_CONFIDENCES]
    return found


def _answers(confidence: ArrayLike, correct: ArrayLike) -> SortedAnswers:
    conf = as_confidence(confidence)
    right: NDArray[np.bool_] = as_correct(correct, conf.size).astype(np.bool_)
    return SortedAnswers.of_confidences(conf, right)
