"""What a fit learns from, and an evaluation measures on: scores of items, and what is known."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ITEM_AXES = 2  # item, option

UNKNOWN = -1


class DataError(ValueError):
    """Malformed data of a fit: which argument, and of which item (None: of no single one)."""

    def __init__(self, argument: str, item: int | None, reason: str) -> None:
        super().__init__(f"{argument}{'' if item is None else f'[{item}]'} {reason}")
        self.argument, self.item, self.reason = argument, item, reason


@dataclass(frozen=True, slots=True, eq=False)
class FitData:
    """n ≥ 1 items with k ≥ 1 options each, checked and converted when it is made.

    ``logprobs``, (n, k), finite, are the option scores of the model that is to be calibrated, each
    row up to a constant of its own. A score is what the answer distribution is the softmax of: the
    raw logprob, unless the reading normalizes or corrects it.
    ``labels``, (n,), are the indices of the right options, −1 where unknown; None is −1 throughout.
    ``teacher_logprobs``, (n, k), finite, are the teacher's scores of the same options in the same
    order, and ``teacher_format``, (n,), in [0, 1], is how likely the teacher answers in this format
    at all, p(F | x).
    ``weights``, (n,), are finite and ≥ 0, with a positive, finite sum: an item of weight 2 counts
    as two items of weight 1; None is 1 throughout.
    ``options``, (n,), from 1 to k, are how many options each item has: from there on its scores are
    −inf; None is k throughout. They are only for methods that end in one temperature.
    ``alone`` says that they are confidences alone, (n, 2): ln c, and ln(1 − c) of the answer being
    wrong. It is only for maps of confidence, for which option 0 is the choice also where it is the
    less likely one.
    ``content_free``, (m, k), finite, are the model's scores after m questions without content.
    Without ``finite`` the model may give an option −inf, no probability at all: such items can be
    evaluated on, and not fitted.

    Raises DataError where an argument is not as described; it names the first item that is not.
    """

    logprobs: NDArray[np.float64]
    labels: NDArray[np.int64] | None = None
    teacher_logprobs: NDArray[np.float64] | None = None
    teacher_format: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    options: NDArray[np.int64] | None = None
    alone: bool = False
    content_free: NDArray[np.float64] | None = None
    finite: bool = True

    def __post_init__(self) -> None:
        logprobs = _scores(self.logprobs, "logprobs", self.options, finite=self.finite)
        n, k = logprobs.shape

        def put(name: str, values: ArrayLike) -> None:
            object.__setattr__(self, name, values)

        put("logprobs", logprobs)
        if self.labels is not None:
            put("labels", _labels(self.labels, n, k if self.options is None else self.options))
        if self.teacher_logprobs is not None:
            teacher = _scores(self.teacher_logprobs, "teacher_logprobs", self.options)
            if teacher.shape != (n, k):
                raise DataError(
                    "teacher_logprobs", None, f"must have shape {(n, k)}, got {teacher.shape}"
                )
            put("teacher_logprobs", teacher)
        if self.teacher_format is not None:
            put("teacher_format", _reals(self.teacher_format, "teacher_format", n, highest=1.0))
        if self.weights is not None:
            weights = _reals(self.weights, "weights", n)
            if not 0 < weights.sum() < np.inf:
                raise DataError("weights", None, "must have a finite sum above zero")
            put("weights", weights)
        if self.content_free is not None:
            put("content_free", _scores(self.content_free, "content_free", None))

    @property
    def answers(self) -> NDArray[np.int64]:
        """``labels``, −1 throughout where there are none."""
        return np.full(len(self.logprobs), UNKNOWN) if self.labels is None else self.labels

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which items have a label, (n,)."""
        return np.asarray(self.answers != UNKNOWN)

    @property
    def taught(self) -> NDArray[np.float64]:
        """``teacher_logprobs``; a ValueError where there are none."""
        if self.teacher_logprobs is None:
            raise ValueError("teacher_logprobs are needed")
        return self.teacher_logprobs

    @property
    def item_weights(self) -> NDArray[np.float64]:
        """``weights``, 1 throughout where there are none."""
        return np.ones(len(self.logprobs)) if self.weights is None else self.weights

    @property
    def option_counts(self) -> NDArray[np.int64]:
        """``options``, k throughout where there are none."""
        n, k = self.logprobs.shape
        return np.full(n, k) if self.options is None else self.options

    def take(self, items: NDArray[np.bool_] | NDArray[np.intp]) -> "FitData":
        """The items of a mask or of indices, (m,)."""
        values = {name: getattr(self, name) for name in _OF_ITEMS}
        return replace(
            self, **{name: array[items] for name, array in values.items() if array is not None}
        )

    def without_bias(self, log_prior: ArrayLike) -> "FitData":
        """The same with a bias of each option, (k,), subtracted from the model's scores."""
        return replace(self, logprobs=self.logprobs - np.asarray(log_prior, dtype=np.float64))


_OF_ITEMS = ("logprobs", "labels", "teacher_logprobs", "teacher_format", "weights", "options")


def _scores(
    values: ArrayLike, name: str, options: NDArray[np.int64] | None, *, finite: bool = True
) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != _ITEM_AXES or 0 in array.shape:
        raise DataError(name, None, f"must have shape (n, k), n and k >= 1, got {array.shape}")
    good = np.isfinite(array) if finite else array < np.inf
    if options is not None:
        none = np.arange(array.shape[1]) >= options[:, np.newaxis]
        good = np.where(none, np.isneginf(array), good)
    if not good.all():
        item, option = np.argwhere(~good)[0]
        least = "finite" if finite else "finite or -inf"
        raise DataError(
            name, int(item), f"must be {least}, but option {option} has {array[item, option]}"
        )
    return array


def _labels(values: ArrayLike, n: int, k: int | NDArray[np.int64]) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != (n,):
        raise DataError("labels", None, f"must have shape ({n},), got {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError("labels", None, f"must be integers, got {array.dtype}")
    # Compared before the conversion: a huge unsigned label must not wrap into range.
    wrong = (array < UNKNOWN) | (array >= k)
    if wrong.any():
        item = int(wrong.argmax())
        most = k if isinstance(k, int) else k[item]
        raise DataError("labels", item, f"must lie in [0, {most}), or be -1, got {array[item]}")
    return array.astype(np.int64, copy=False)


def _reals(values: ArrayLike, name: str, n: int, highest: float = np.inf) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise DataError(name, None, f"must have shape ({n},), got {array.shape}")
    right = np.isfinite(array) & (array >= 0) & (array <= highest)
    if not right.all():
        item = int(right.argmin())
        raise DataError(name, item, f"must lie in [0, {highest:g}], got {array[item]}")
    return array
