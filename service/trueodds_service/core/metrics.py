"""How good a set of answer distributions is, against the right answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.binning import DEFAULT_BINS
from trueodds_service.core.checks import as_labels, as_probabilities, require_items
from trueodds_service.core.distributions import choice
from trueodds_service.core.distributions import confidence as confidence_of
from trueodds_service.core.reliability import ece, null_ece
from trueodds_service.core.solver import LOG_FLOOR


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of n answer distributions; lower is better but for accuracy.

    Attributes
    ----------
    n
        Items. Without it the calibration errors cannot be read.
    accuracy, confidence
        Share of right choices and mean confidence, in [0, 1]: above accuracy is overconfident.
    ece, ece_equal_mass
        Expected calibration error in bins of equal width and of equal mass, in [0, 1].
    null_ece
        What ``ece`` would be, on average, for perfect calibration at these confidences.
    nll
        Mean negative log-likelihood of the right options, in nats.
    brier
        Multi-class Brier score, in [0, 2].
    """

    n: int
    accuracy: float
    confidence: float
    ece: float
    ece_equal_mass: float
    null_ece: float
    nll: float
    brier: float


def evaluate(
    probs: ArrayLike, labels: ArrayLike, bins: int = DEFAULT_BINS, seed: int = 0
) -> Metrics:
    """All metrics at once.

    Parameters
    ----------
    probs
        Answer distributions, shape (n, k), n ≥ 1.
    labels
        Indices of the right options, shape (n,), integers in [0, k).
    bins
        Bins of all three calibration errors, ≥ 1.
    seed
        Of the simulation behind ``null_ece``.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """
    array, right = _check(probs, labels)
    # A row may sum to one and a little: its confidence is held to what a probability can be.
    confidence = np.minimum(confidence_of(array), 1.0)
    correct = choice(array) == right
    return Metrics(
        n=len(array),
        accuracy=float(correct.mean()),
        confidence=float(confidence.mean()),
        ece=ece(confidence, correct, bins),
        ece_equal_mass=ece(confidence, correct, bins, "equal_mass"),
        null_ece=null_ece(confidence, bins, seed=seed),
        nll=nll(array, right),
        brier=brier(array, right),
    )


def accuracy(probs: ArrayLike, labels: ArrayLike) -> float:
    """Share of items whose most likely option (of ties the first) is right, in [0, 1]."""
    array, right = _check(probs, labels)
    return float((choice(array) == right).mean())


def nll(probs: ArrayLike, labels: ArrayLike) -> float:
    """Mean of −ln p(right option), in nats, ≥ 0.

    A right option of probability zero costs 87.3 nats (−``solver.LOG_FLOOR``) rather than ∞, so
    that one item cannot hide all others.
    """
    return mean_nll(*_check(probs, labels))


def mean_nll(
    probs: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> float:
    """``nll`` of arrays that are known to be right, with weights, (n,), of the items."""
    at_label = probs[np.arange(len(probs)), labels]
    losses = -np.log(np.clip(at_label, np.exp(LOG_FLOOR), 1.0))
    return float(np.average(losses, weights=weights))


def brier(probs: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance to the one-hot right answer, summed over options, in [0, 2].

    Brier 1950 (Monthly Weather Review), the original form: for two options it is twice what many
    libraries call the Brier score.
    """
    array, right = _check(probs, labels)
    return float(np.mean(((array - np.eye(array.shape[1])[right]) ** 2).sum(axis=1)))


def _check(probs: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    array = as_probabilities(probs, "probs")
    require_items(array, "probs")
    return array, as_labels(labels, *array.shape)
