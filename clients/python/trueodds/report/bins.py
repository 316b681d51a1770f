"""Bins of confidence: what a reliability diagram shows, and what it would show by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

_TAIL = 0.025
_REACH = 12.0  # standard deviations; beyond them lies nothing that a double could hold


class Bin(Protocol):
    """The questions whose confidence fell between two bounds; all but the count in [0, 1]."""

    @property
    def lower(self) -> float: ...
    @property
    def upper(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


def shares(bins: Sequence[Bin]) -> list[float]:
    """Give each bin's share of the questions."""
    total = max(sum(b.count for b in bins), 1)
    return [b.count / total for b in bins]


def ece(bins: Sequence[Bin]) -> float:
    """Give the expected calibration error that the bins hold."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / max(total, 1)


def means(bins: Sequence[Bin]) -> tuple[float, float]:
    """Give the mean confidence and the accuracy that the bins hold."""
    total = max(sum(b.count for b in bins), 1)
    confidence = sum(b.count * b.confidence for b in bins) / total
    return confidence, sum(b.count * b.accuracy for b in bins) / total


def consistency(count: int, confidence: float) -> tuple[float, float]:
    """Give the range that holds the accuracy of a calibrated bin 95 times in a hundred.

    The 2.5 % and 97.5 % quantiles of the binomial share (consistency bars: Bröcker and Smith
    2007), as if each of the bin's ``count`` ≥ 1 questions had its mean confidence; unequal ones
    vary less, so the range errs on the wide side.
    """
    if not 0.0 < confidence < 1.0:
        return confidence, confidence
    spread = _REACH * math.sqrt(count * confidence * (1.0 - confidence)) + 1.0
    first = max(0, math.floor(count * confidence - spread))
    cumulative, low = 0.0, -1
    for right in range(first, count + 1):
        cumulative += _binomial(count, confidence, right)
        if low < 0 and cumulative >= _TAIL:
            low = right
        if cumulative >= 1.0 - _TAIL:
            return low / count, right / count
    return low / count, 1.0


def _binomial(count: int, chance: float, right: int) -> float:
    ways = math.lgamma(count + 1) - math.lgamma(right + 1) - math.lgamma(count - right + 1)
    return math.exp(ways + right * math.log(chance) + (count - right) * math.log1p(-chance))
