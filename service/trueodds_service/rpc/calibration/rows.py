"""What items say of options, as logprobs, as probabilities or as a confidence → scores, checked."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.core.arrays.probabilities import (
    MAX_STEP,
    MIN_STEP,
    ProbabilityError,
    ZeroProbabilityError,
    log_confidence,
    log_probabilities,
)
from trueodds_service.errors import InvalidInput

# Sums of larger scores would not be finite, and no model gives any as large.
_MAX_SCORE = 1e100
# What an option's probability of two decimals may be off.
_ROUNDED = 0.005

TEACHERS = "teacher_"
"""What the fields of a teacher's scores begin with."""

NO_READING = "does not go with confidences alone: they are read by whoever gave them"

Item = pb.OptionScores | pb.FitScore


class RowKind(StrEnum):
    """What an item says; the values are its fields."""

    LOGPROBS = "logprobs"
    PROBABILITIES = "probabilities"
    CONFIDENCE = "confidence"


def kind_of(items: Iterable[Item], prefix: str = "") -> RowKind:
    """That of the first item that is of one kind alone; items that say nothing lack logprobs."""
    found = (said[0] for item in items if len(said := _said(item, prefix)) == 1)
    return next(found, RowKind.LOGPROBS)


def parse_step(step: float, kinds: Iterable[RowKind]) -> float:
    """Raises InvalidInput."""
    if step == 0:
        return step
    if not MIN_STEP <= step < MAX_STEP:  # written so that NaN fails as well
        raise InvalidInput(
            "probability_step", f"has to be from {MIN_STEP:g} and below {MAX_STEP:g}, or 0"
        )
    if all(kind is RowKind.LOGPROBS for kind in kinds):
        raise InvalidInput("probability_step", "goes with probabilities or confidences only")
    return step


class RowReader:
    """Reads items, all of one kind, as rows of scores: of a confidence ln c and ln(1 - c)."""

    def __init__(
        self, kind: RowKind, step: float, limits: Limits, *, finite: bool = True, prefix: str = ""
    ) -> None:
        """Without ``finite`` a logprob may be -inf. The fields begin with ``prefix``."""
        self.kind = kind
        self.field = f"{prefix}{kind}"
        self._prefix = prefix
        self._step = step
        self._limits = limits
        self._finite = finite

    @property
    def alone(self) -> bool:
        """Whether rows are of confidences alone."""
        return self.kind is RowKind.CONFIDENCE

    def said_in(self, item: Item) -> bool:
        """Whether the item says anything of it."""
        return bool(_said(item, self._prefix))

    def read(self, item: Item) -> NDArray[np.float64]:
        """Raises InvalidInput; its field is relative to the item."""
        said = [f"{self._prefix}{kind}" for kind in _said(item, self._prefix)]
        if len(said) > 1:
            raise InvalidInput(said[1], f"does not go with {said[0]}: an item has one of them")
        if said and said[0] != self.field:
            raise InvalidInput(
                said[0], f"is of another kind than {self.field}, which other items have"
            )
        if self.alone:
            if not said:
                raise InvalidInput(self.field, "is required, as the other items have it")
            with _told_at(self.field):
                return log_confidence(item.confidence, self._step)
        values = getattr(item, self.field)
        _check_options(len(values), self._limits, self.field)
        if self.kind is RowKind.LOGPROBS:
            _check_logprobs(values, self.field, finite=self._finite)
            return np.array(values)
        with _told_at(self.field):
            return log_probabilities(values, self._step)


@contextmanager
def _told_at(name: str) -> Iterator[None]:
    """What is no probability becomes InvalidInput at ``name``."""
    try:
        yield
    except ZeroProbabilityError as error:
        raise InvalidInput(name, str(error), reason="ZERO_PROBABILITY") from error
    except ProbabilityError as error:
        raise InvalidInput(name, str(error)) from error


def _said(item: Item, prefix: str) -> list[RowKind]:
    found = [kind for kind in _OF_OPTIONS if getattr(item, f"{prefix}{kind}")]
    if not prefix and item.HasField("confidence"):
        found.append(RowKind.CONFIDENCE)
    return found


_OF_OPTIONS = (RowKind.LOGPROBS, RowKind.PROBABILITIES)


def _check_options(count: int, limits: Limits, name: str) -> None:
    """Raises InvalidInput at ``name`` unless a row may have so many options."""
    if not 2 <= count <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
        raise InvalidInput(name, f"has {count}; from 2 to {limits.max_options}")


def _check_logprobs(values: Sequence[float], name: str, *, finite: bool) -> None:
    """Raises InvalidInput at ``name`` unless these are scores of options.

    Without ``finite`` some may be -inf.
    """
    if any(math.isnan(value) or value == math.inf for value in values):
        raise InvalidInput(name, "holds NaN or +inf")
    if any(math.isfinite(value) and abs(value) > _MAX_SCORE for value in values):
        raise InvalidInput(name, f"holds a number beyond ±{_MAX_SCORE:g}")
    if all(value == -math.inf for value in values):
        raise InvalidInput(name, "gives no option any probability")
    if finite and any(value == -math.inf for value in values):
        raise InvalidInput(name, "holds -inf: a fit needs finite scores of all options")


def refuse_probabilities(rows: NDArray[np.float64], options: NDArray[np.int64], name: str) -> None:
    """Raises InvalidInput at ``name`` where all logprobs, (n, k) of so many options, look like
    probabilities.

    The softmax of probabilities is flat whatever they are, and a temperature of it means nothing.
    """
    given = np.where(np.arange(rows.shape[1]) < options[:, np.newaxis], rows, 0)
    inside = ((given >= 0) & (given <= 1)).all()
    if inside and (np.abs(given.sum(axis=1) - 1) <= _ROUNDED * options).all():
        raise InvalidInput(
            name,
            "these are probabilities, in [0, 1] and summing to 1 in every item: give them as "
            "probabilities, or say allow_probabilities if they are logprobs all the same",
            reason="SCORES_ARE_PROBABILITIES",
        )
