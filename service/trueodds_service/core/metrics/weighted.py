"""Every metric of labelled answers, as a function of the items' weights.

One definition serves both: a metric is its value at weights of one, and its bootstrap interval
comes from weights that count how often an item was drawn.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.arrays.log_floor import LOG_FLOOR
from trueodds_service.core.metrics.bin_edges import bin_of, edges_of
from trueodds_service.core.metrics.bin_sums import BinSums
from trueodds_service.core.metrics.selective import aurc, auroc
from trueodds_service.core.metrics.smooth_ece import smooth_ece

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SortedAnswers:
    """Answer distributions, (n, k), and the right options, (n,), by ascending confidence.

    ``order`` is where each stood before. Items [first, after) have the confidence of each one.
    Of confidences alone there is one column, and no label where the answer is wrong: −1.
    """

    probs: _Array
    labels: NDArray[np.int64]
    order: NDArray[np.intp]
    confidence: _Array
    correct: _Array
    loss: _Array
    first: NDArray[np.intp]
    after: NDArray[np.intp]

    @classmethod
    def of(cls, probs: _Array, labels: NDArray[np.int64]) -> "SortedAnswers":
        # A row may sum to one and a little: its confidence is held to what a probability can be.
        confidence = np.minimum(probs.max(axis=1), 1.0)
        correct = choice(probs) == labels
        return cls._sorted(probs, labels, confidence, correct, losses(probs, labels))

    @classmethod
    def of_confidences(cls, confidence: _Array, correct: NDArray[np.bool_]) -> "SortedAnswers":
        """Of confidences alone, (n,), and whether the answers are right: two outcomes each."""
        said = np.where(correct, confidence, 1 - confidence)
        loss = losses(said[:, np.newaxis], np.zeros(len(said), dtype=np.int64))
        labels = np.where(correct, 0, -1)
        return cls._sorted(confidence[:, np.newaxis], labels, confidence, correct, loss)

    @classmethod
    def _sorted(
        cls,
        probs: _Array,
        labels: NDArray[np.int64],
        confidence: _Array,
        correct: NDArray[np.bool_],
        loss: _Array,
    ) -> "SortedAnswers":
        order = confidence.argsort(kind="stable")
        confidence = confidence[order]
        return cls(
            probs[order],
            labels[order],
            order,
            confidence,
            correct[order].astype(np.float64),
            loss[order],
            np.searchsorted(confidence, confidence, side="left"),
            np.searchsorted(confidence, confidence, side="right"),
        )


def measures(answers: SortedAnswers, weights: _Array, bins: int) -> dict[str, _Array]:
    """Metrics by name, shape (...) each, for weights (..., n) in the order of ``answers``."""
    conf, correct = answers.confidence, answers.correct
    total = weights.sum(axis=-1)
    index = bin_of(conf, edges_of(conf, bins, "equal_width"))
    width = BinSums.of(conf, correct, index, bins, weights)
    mass = BinSums.of_equal_mass(conf, correct, answers.after, bins, weights)
    found = {
        "accuracy": weights @ correct / total,
        "confidence": weights @ conf / total,
        "ece": width.ece,
        "ece_equal_mass": mass.ece,
        "ece_debiased": mass.debiased,
        "ece_smooth": smooth_ece(conf, (conf - correct) * weights / total[..., np.newaxis]),
        "mce": width.mce,
        "overconfidence": width.overconfidence,
        "underconfidence": width.underconfidence,
        "nll": weights @ answers.loss / total,
        "auroc": auroc(correct, answers.first, answers.after, weights),
        "aurc": aurc(correct, answers.first, weights),
    }
    return found | _by_option(answers, weights, total, bins)


def losses(probs: _Array, labels: NDArray[np.int64]) -> _Array:
    """−ln p(right option) of each item, (n,), at most 87.3 nats (−``LOG_FLOOR``)."""
    at_label = probs[np.arange(len(probs)), labels]
    return np.asarray(-np.log(np.clip(at_label, np.exp(LOG_FLOOR), 1.0)))


def _by_option(
    answers: SortedAnswers, weights: _Array, total: _Array, bins: int
) -> dict[str, _Array]:
    """What looks at every option's probability, and not only at the choice's.

    Class-wise ECE is the mean over options of their ECE (Kull et al. 2019, arXiv 1910.12656). The
    Brier score comes apart into reliability − resolution + uncertainty over the same bins (Murphy
    1973), the resolution being what makes this exact: it contains the variance within bins
    (Stephenson et al. 2008, Weather and Forecasting).
    """
    n, k = answers.probs.shape
    shape = weights.shape[:-1]
    classwise, reliability, uncertainty = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    squares = np.zeros(n)
    for option in range(k):
        p = np.minimum(answers.probs[:, option], 1.0)
        hit = (answers.labels == option).astype(np.float64)
        squares += (answers.probs[:, option] - hit) ** 2
        sums = BinSums.of(p, hit, bin_of(p, edges_of(p, bins, "equal_width")), bins, weights)
        held = np.where(sums.count > 0, sums.count, 1.0)
        classwise += sums.ece / k
        reliability += (sums.surplus**2 / held).sum(axis=-1) / total
        rate = weights @ hit / total
        uncertainty += rate * (1 - rate)
    brier = weights @ squares / total
    return {
        "ece_classwise": classwise,
        "brier": brier,
        "brier_reliability": reliability,
        "brier_resolution": reliability + uncertainty - brier,
        "brier_uncertainty": uncertainty,
    }
