"""Where the numbers of a diagram lie; the templates draw it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Bin = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Square:
    """[0, 1] × [0, 1] as a square of SVG, the origin below left."""

    left: float = 46.0
    top: float = 12.0
    size: float = 320.0

    @property
    def right(self) -> float:
        return self.left + self.size

    @property
    def bottom(self) -> float:
        return self.top + self.size

    def x(self, value: float) -> float:
        return round(self.left + value * self.size, 1)

    def y(self, value: float) -> float:
        return round(self.bottom - value * self.size, 1)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        """A line through points, as the ``d`` of a path."""
        return "M" + "L".join(f"{self.x(x)} {self.y(y)}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of confidence as the contract has them, drawn on a square.

    The area of a dot is in proportion to the share of the questions in its bin.
    """

    bins: Sequence[Bin]
    square: Square
    radius: float = 13.0

    @property
    def total(self) -> int:
        return sum(each["count"] for each in self.bins)

    @property
    def said(self) -> float:
        """The mean confidence."""
        return self._mean("confidence")

    @property
    def right(self) -> float:
        """The share of right answers."""
        return self._mean("accuracy")

    def _mean(self, name: str) -> float:
        return float(sum(each["count"] * each[name] for each in self.bins)) / max(self.total, 1)

    def dots(self) -> Iterator[tuple[float, Bin]]:
        """Each bin with the radius of its dot; large ones first, so that none hides another."""
        largest = max((each["count"] for each in self.bins), default=1)
        for each in sorted(self.bins, key=lambda each: -each["count"]):
            yield round(max(self.radius * math.sqrt(each["count"] / largest), 2.5), 1), each
