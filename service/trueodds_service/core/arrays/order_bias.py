"""A model's liking for the place or the label of an option, measured and taken out.

An order is a tuple: the option shown at each place. Zheng et al. 2024 (arXiv 2309.03882) ask
under the cyclic orders, in which every option stands at every place once.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_logits
from trueodds_service.core.arrays.distributions import log_softmax, softmax

Order = tuple[int, ...]


@lru_cache(maxsize=128)
def cyclic_orders(count: int) -> tuple[Order, ...]:
    """The ``count`` cyclic orders of ``count`` options, the original one first."""
    return tuple(tuple((place + shift) % count for place in range(count)) for shift in range(count))


def by_option(by_place: ArrayLike, order: Order) -> NDArray[np.float64]:
    """Values of places, shape (..., k), as values of the options that were shown there."""
    values = np.asarray(by_place, dtype=np.float64)
    options = np.empty_like(values)
    options[..., list(order)] = values
    return options


def cyclic_average(scores: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of the mean answer distribution, shape (k,).

    ``scores``, shape (orders, k), are logits of the options, one row an order that was asked
    (Zheng et al. 2024, Eq. 1). The result's softmax is that mean.

    Raises ValueError where ``scores`` contain NaN or +inf, or a row is −inf throughout.
    """
    mean: NDArray[np.float64] = softmax(scores).mean(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mean))


def label_prior(scores: ArrayLike) -> NDArray[np.float64]:
    """What the model gives each place or label whatever stands there: probabilities, (k,).

    ``scores``, shape (questions, orders, k), are logits of the places under the cyclic orders.
    Of a question, the softmax of the mean log-probability; of several, the mean of theirs
    (PriDe: Zheng et al. 2024, Eq. 6 and section 4.2).

    Raises ValueError as ``cyclic_average`` does, and at a score of −inf, of which there is no mean.
    """
    array = as_logits(scores, "scores")
    if not np.isfinite(array).all():
        raise ValueError("scores must be finite: a label without any mass has no prior")
    prior: NDArray[np.float64] = softmax(log_softmax(array).mean(axis=1)).mean(axis=0)
    return prior


def without_prior(scores: ArrayLike, prior: ArrayLike) -> NDArray[np.float64]:
    """Logits, shape (..., k), with the labels' prior, (k,), divided out (PriDe, Eq. 7)."""
    return np.asarray(as_logits(scores, "scores") - np.log(np.asarray(prior, dtype=np.float64)))
