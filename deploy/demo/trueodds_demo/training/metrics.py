"""The measures behind the figures, small and independent of the service's own."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 10
# Inverse temperatures are sought between these.
COLDEST, HOTTEST = 1 / 20, 20.0
HALVINGS = 60


def softmax(scores: Floats) -> Floats:
    """Softmax over the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def accuracy(probabilities: Floats, answers: Integers) -> float:
    """The share of questions whose likeliest option is the answer."""
    return float((probabilities.argmax(axis=1) == answers).mean())


def confidence(probabilities: Floats) -> float:
    """The mean probability of the likeliest option."""
    return float(probabilities.max(axis=1).mean())


def ece(probabilities: Floats, answers: Integers) -> float:
    """Expected calibration error over ten bins of confidence of equal width."""
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == answers
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=top - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(top))


def nll(probabilities: Floats, answers: Integers) -> float:
    """The mean negative log-likelihood of the answers."""
    return float(-np.log(probabilities[np.arange(len(answers)), answers]).mean())


def kl(truth: Floats, probabilities: Floats) -> float:
    """The mean Kullback-Leibler divergence of ``probabilities`` from ``truth``, in nats."""
    return float((truth * np.log(truth / probabilities)).sum(axis=1).mean())


def fit_temperature(scores: Floats, targets: Floats) -> float:
    """The temperature that minimises the cross-entropy from ``targets`` to softmax(scores/T).

    ``targets`` (n, k) are one-hot labels (temperature scaling) or a teacher's probabilities
    (the paper's method). The loss is convex in 1/T, and its derivative is monotone: bisect.
    """
    wanted = float((scores * targets).sum())
    low, high = np.log(COLDEST), np.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        got = float((scores * softmax(scores * np.exp(middle))).sum())
        low, high = (middle, high) if got < wanted else (low, middle)
    return float(np.exp(-(low + high) / 2))
