"""A distribution as its choice's confidence and the rest, and the same with another confidence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import below_maximum, softmax
from trueodds_service.core.arrays.log_floor import LOG_FLOOR

# Weights of the others that sum to less have lost their proportions to underflow.
_UNDERFLOW = 1e-280


@dataclass(frozen=True, slots=True)
class Split:
    """Answer distributions, shape (..., k), told apart into choice and others.

    ``shifted``, (..., k), are logits, that of the choice being zero, and no other above it.
    ``weights``, (..., k), are exp of them: the choice has 1. ``top``, (..., k), says where that is,
    at every one of tied options, and ``ties``, (...), how many those are. ``others``, (...), is the
    weight of all options but one of the likeliest, so that the confidence is 1 / (1 + others).
    """

    shifted: NDArray[np.float64]
    weights: NDArray[np.float64]
    top: NDArray[np.bool_]
    ties: NDArray[np.float64]
    others: NDArray[np.float64]

    @classmethod
    def of(cls, scores: ArrayLike) -> "Split":
        """Splits option scores, as ``Calibrator.apply`` takes them."""
        shifted = below_maximum(as_logits(scores, "scores"))
        return cls._of(shifted, shifted == 0)

    @classmethod
    def of_confidences(cls, scores: ArrayLike) -> "Split":
        """Of confidences alone, as ln c and ln(1 − c), (..., 2), finite: the choice is option 0,
        where it is the less likely one too, and weights may then be above 1.
        """
        array = as_logits(scores, "scores")
        top = np.zeros(array.shape, dtype=np.bool_)
        top[..., 0] = True
        return cls._of(array - array[..., :1], top)

    def at(self, temperature: float) -> "Split":
        """The same choices at a temperature."""
        with np.errstate(over="ignore"):
            return self._of(self.shifted / temperature, self.top)

    @classmethod
    def _of(cls, shifted: NDArray[np.float64], top: NDArray[np.bool_]) -> "Split":
        with np.errstate(over="ignore"):
            weights = np.exp(shifted)
        # A product with ones: several times as fast as a sum over a short last axis.
        ones = np.ones(top.shape[-1])
        ties = top @ ones
        others = np.where(top, 0.0, weights) @ ones + (ties - 1)
        return cls(shifted, weights, top, ties, others)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the choice, (...), in [1/k, 1]; alone, in [0, 1]."""
        return np.asarray(1 / (1 + self.others))

    @property
    def log_odds_parts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ln c and ln(1 − c), (...) each, exact near one; at least ``LOG_FLOOR``."""
        log_total = np.log1p(self.others)
        floor = np.exp(LOG_FLOOR)
        return -log_total, np.log(np.maximum(self.others, floor)) - log_total

    def with_confidence(self, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities, shape (..., k), whose choice has this confidence, (...).

        The others keep their proportions: p_j · (1 − c') / (1 − c). Each of several tied options
        gets the mean of two values: its probability if it were the choice, and if another were. An
        option that has all the mass keeps it.
        """
        lost = self.others < _UNDERFLOW
        left = 1 - confidence
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            share = left / self.others
            probs = self.weights * share[..., np.newaxis]
            choice = (confidence + (self.ties - 1) * share) / self.ties
        probs = np.where(self.top, choice[..., np.newaxis], probs)
        if lost.any():
            probs[lost] = _from_logs(self.shifted[lost], self.top[lost], confidence[lost])
        return probs


def _from_logs(
    shifted: NDArray[np.float64], top: NDArray[np.bool_], confidence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same for rows whose other options have weights too small for float64, (m, k)."""
    others = np.where(top, -np.inf, shifted)
    alone = np.isneginf(others).all(axis=-1)
    probs = np.asarray(top, dtype=np.float64)
    held = ~alone
    if held.any():
        rest = softmax(others[held]) * (1 - confidence[held])[:, np.newaxis]
        probs[held] = np.where(top[held], confidence[held][:, np.newaxis], rest)
    return probs
