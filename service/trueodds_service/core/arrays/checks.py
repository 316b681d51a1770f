"""Input checks shared by the modules of ``core``: each names the argument that it refuses."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# How far a row of probabilities may be from a sum of one: wide enough for float32 and for four
# printed digits of a few options, far too narrow for scores that are not probabilities at all.
SUM_TOLERANCE = 1e-3

_ITEM_AXES = 2  # item, option


def as_logits(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Logits or log-probabilities of options, shape (..., k); −inf marks an option with no mass.

    Raises ValueError where there is no option, an entry is NaN or +inf, or a row is −inf
    throughout.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one option, got shape {array.shape}")
    if np.isfinite(array).all():
        return array
    if np.isnan(array).any():
        raise ValueError(f"{name} must not contain NaN")
    if np.isposinf(array).any():
        raise ValueError(f"{name} must not contain +inf")
    if np.isneginf(array).all(axis=-1).any():
        raise ValueError(f"{name} has a row of -inf only: no option has any mass")
    return array


def as_probabilities(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Distributions over options, shape (..., k), in [0, 1], each row summing to one.

    Raises ValueError where there is no option, an entry is not a number ≥ 0, or a row does not sum
    to one.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one option, got shape {array.shape}")
    if not (array >= 0).all():  # written so that NaN fails as well
        raise ValueError(f"{name} must be probabilities: found a negative value or NaN")
    if not (np.abs(array.sum(axis=-1) - 1) <= SUM_TOLERANCE).all():
        raise ValueError(f"{name} must be probabilities: every row must sum to one")
    return array


def require_items(array: NDArray[np.float64], name: str) -> None:
    """Raises ValueError unless there is a row of options for each item: (n, k), n ≥ 1."""
    if array.ndim != _ITEM_AXES or array.shape[0] == 0:
        raise ValueError(f"{name} must have shape (n, k) with n >= 1, got {array.shape}")


def as_labels(labels: ArrayLike, items: int, options: int) -> NDArray[np.int64]:
    """Indices of the right options, shape (items,), each in [0, options).

    Raises ValueError where the shape differs, or an entry is not an integer or out of range.
    """
    array = np.asarray(labels)
    if array.shape != (items,):
        raise ValueError(f"labels must have shape ({items},), got {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"labels must be integers, got {array.dtype}")
    # Compared before the conversion: a huge unsigned label must not wrap into range.
    if (array < 0).any() or (array >= options).any():
        raise ValueError(f"labels must lie in [0, {options})")
    return array.astype(np.int64, copy=False)


def as_correct(values: ArrayLike, items: int) -> NDArray[np.float64]:
    """Whether answers are right, shape (items,), booleans or 0 and 1, as 0.0 and 1.0.

    Raises ValueError where the shape differs, or an entry is neither.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isin(array, (0.0, 1.0)).all():
        raise ValueError("correct must be booleans, or 0 and 1")
    if array.shape != (items,):
        raise ValueError(f"correct must have shape ({items},), got {array.shape}")
    return array


def as_unit_interval(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Numbers in [0, 1], of any shape. Raises ValueError at any other number, and at NaN."""
    array = np.asarray(values, dtype=np.float64)
    if not ((array >= 0) & (array <= 1)).all():  # written so that NaN fails as well
        raise ValueError(f"{name} must lie in [0, 1]")
    return array
