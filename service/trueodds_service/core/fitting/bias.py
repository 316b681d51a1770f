"""What a model gives each label whatever the question, as a ``log_prior`` to be subtracted.

Each corrects which option is likely and none how sure the model is: calibrate after it.
PriDe's prior, of positions, is ``order_bias.label_prior``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits, require_items
from trueodds_service.core.arrays.distributions import log_softmax


def batch_prior(logprobs: ArrayLike) -> NDArray[np.float64]:
    """Mean log-probability of each option over items, (n, k) → (k,), with mean zero.

    Batch calibration (Zhou et al. 2024, arXiv 2309.17249). It takes the items' right answers to be
    spread evenly over the labels: on a small or skewed batch it does harm.

    Raises ValueError where ``logprobs`` are not finite or not of shape (n, k), n ≥ 1.
    """
    array = as_logits(logprobs, "logprobs")
    require_items(array, "logprobs")
    if not np.isfinite(array).all():
        raise ValueError("logprobs must be finite: a label without any mass has no prior")
    mean: NDArray[np.float64] = log_softmax(array).mean(axis=0)
    return np.asarray(mean - mean.mean())


def contextual_prior(content_free: ArrayLike) -> NDArray[np.float64]:
    """Log of the mean distribution of questions without content, (m, k) → (k,), mean zero.

    Contextual calibration (Zhao et al. 2021, arXiv 2102.09690), which asks with "N/A", "[MASK]"
    and the empty text in place of the question, and averages the probabilities.

    Raises ValueError as ``batch_prior`` does.
    """
    array = as_logits(content_free, "content_free")
    require_items(array, "content_free")
    if not np.isfinite(array).all():
        raise ValueError("content_free must be finite: a label without any mass has no prior")
    mean: NDArray[np.float64] = np.logaddexp.reduce(log_softmax(array), axis=0)
    return np.asarray(mean - mean.mean())
