"""From log-likelihoods of token sequences to the scores of options."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = tuple[int, ...]


def option_logprobs(
    logprobs: NDArray[np.float64], places: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """ln p of each option, (k,): of all ways to write it, whose logprobs stand at ``places``."""
    return np.array([np.logaddexp.reduce(logprobs[list(each)]) for each in places])


def mutual_information(
    logprobs: NDArray[np.float64], unconditional: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pointwise mutual information of each option and the question, (k,), in nats.

    That is ln p(option | prompt) − ln p(option | prompt without the question): Holtzman et al. 2021
    (arXiv 2104.08315). An option of −inf stays at −inf, whatever it is without the question.
    """
    ruled_out = np.isneginf(logprobs)
    return np.where(ruled_out, -np.inf, logprobs - np.where(ruled_out, 0.0, unconditional))


def union_mass(continuations: Sequence[Tokens], logprobs: NDArray[np.float64]) -> float:
    """The probability that one of the continuations follows, in [0, 1].

    One that begins as another does is part of it, and does not count again: " New York City" is
    among what " New York" holds.
    """
    known = set(continuations)
    inside = [
        any(each[:length] in known for length in range(1, len(each))) for each in continuations
    ]
    return float(min(np.exp(logprobs[np.logical_not(inside)]).sum(), 1.0))
