"""Option logprobs → the answer distribution and what is read off it.

Functions take one question, shape (k,), or many, shape (..., k), and reduce the last axis. For
one question the result of a reduction is a 0-d array. A logprob of −inf is an option with no
mass; a question all of whose options are −inf has no answer distribution and is refused.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits, as_probabilities

# A logprob above this is no rounding of zero: the caller has passed logits.
_LOGPROB_ROUNDING = 1e-3


def below_maximum(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits less their row's maximum: the same softmax, every value in [−∞, 0] and one at 0.

    With the maximum at zero ``exp`` cannot overflow, and the sum of a row is at least one, so its
    logarithm is finite (Blanchard et al. 2021, IMA Journal of Numerical Analysis).
    """
    # Over rows of memory: several times as fast as over a short last axis.
    highest = np.moveaxis(logits, -1, 0).copy("C").max(axis=0)[..., np.newaxis]
    # Two finite logits further apart than float64 reaches differ by −inf: no mass, as it should be.
    with np.errstate(over="ignore"):
        shifted: NDArray[np.float64] = logits - highest
    return shifted


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of ``softmax``, in nats; finite where ``softmax`` has rounded to zero.

    Raises ValueError where ``logits`` contain NaN or +inf, or a row is −inf throughout.
    """
    shifted = below_maximum(as_logits(logits, "logits"))
    log_total: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted - log_total


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Distributions over options, same shape, rows summing to one; −inf becomes exactly 0.

    Raises ValueError as ``log_softmax`` does.
    """
    return softmax_of_shifted(below_maximum(as_logits(logits, "logits")))


def softmax_of_shifted(shifted: NDArray[np.float64]) -> NDArray[np.float64]:
    """``softmax`` of what ``below_maximum`` gave, or a positive multiple of it; unchecked."""
    weights = np.exp(shifted)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def answer_distribution(option_logprobs: ArrayLike) -> NDArray[np.float64]:
    """p(option | question, format): the options' probabilities, renormalised over the options.

    He et al. 2023 (arXiv 2310.11732), Eq. 2: dividing out the probability of answering in the
    format leaves the answer uncertainty. Raw logits give the same result as logprobs, for the
    full vocabulary's normaliser cancels.
    """
    return softmax(as_logits(option_logprobs, "option_logprobs"))


def option_mass(option_logprobs: ArrayLike) -> NDArray[np.float64]:
    """Probability that the model puts on all options together, in (0, 1].

    Clipped at 1: the sum exceeds it by rounding, and, where one option's text is a prefix of
    another's, because the two events overlap.

    Raises ValueError as ``log_softmax`` does, and at a logprob above zero, which is a logit.
    """
    array = as_logits(option_logprobs, "option_logprobs")
    if (array > _LOGPROB_ROUNDING).any():
        raise ValueError("option_logprobs must be log-probabilities: found a value above zero")
    total: NDArray[np.float64] = np.exp(array).sum(axis=-1)
    return np.asarray(np.minimum(total, 1.0))


def confidence(probs: ArrayLike) -> NDArray[np.float64]:
    """Probability of the most likely option, in [1/k, 1]."""
    return np.asarray(as_probabilities(probs, "probs").max(axis=-1))


def choice(scores: ArrayLike) -> NDArray[np.intp]:
    """Index of the most likely option, from probabilities or logprobs; of ties the first."""
    return np.asarray(as_logits(scores, "scores").argmax(axis=-1))


def entropy(probs: ArrayLike) -> NDArray[np.float64]:
    """Shannon entropy in nats, in [0, ln k], with 0 · ln 0 = 0."""
    array = as_probabilities(probs, "probs")
    # ln 1 stands in for ln 0: the factor before it is zero.
    terms: NDArray[np.float64] = array * np.log(np.where(array > 0, array, 1.0))
    return np.asarray(np.maximum(-terms.sum(axis=-1), 0.0))
