"""Where a diagram's numbers lie on the drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueodds.report.bins import Bin, shares


@dataclass(frozen=True, slots=True)
class Frame:
    """A square that shows [0, 1] × [0, 1], the origin below left."""

    left: float
    top: float
    size: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.size

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.size

    def x(self, value: float) -> float:
        """Place a confidence."""
        return self.left + value * self.size

    def y(self, value: float) -> float:
        """Place an accuracy."""
        return self.bottom - value * self.size


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a bin's share of the questions is drawn: the largest share gets the limits."""

    largest_share: float
    radius: float
    width: float

    @classmethod
    def fit(cls, *sides: Sequence[Bin], radius: float, width: float) -> Scale:
        """Choose the scale that several diagrams share."""
        largest = max((max(shares(bins), default=0.0) for bins in sides), default=0.0)
        return cls(largest or 1.0, radius, width)

    def dot(self, share: float) -> float:
        """The radius of a dot whose area is in proportion to the share."""
        return self.radius * math.sqrt(share / self.largest_share)

    def bar(self, share: float) -> float:
        """The width of a gap's bar; times its height it is in proportion to the ECE."""
        return self.width * share / self.largest_share
