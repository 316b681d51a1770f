"""A claim: a finding, an effect with its interval, and whether it holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"

Interval = Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """What was found by others or here, and what is measured of it where.

    ``effect`` has a 95 % interval; ``n`` is how many of ``unit`` it is of.
    """

    id: str
    finding: str
    where: str
    measure: str
    holds: str
    effect: float
    ci_low: float
    ci_high: float
    n: int
    unit: str

    @property
    def row(self) -> dict[str, Any]:
        return asdict(self)


def judged(
    name: str, finding: str, where: str, measure: str, found: Interval, sign: int, unit: str
) -> Claim:
    """Holds where the whole interval is above 0 (``sign`` 1) or below it (−1)."""
    low, high = sorted(sign * found[end] for end in ("low", "high"))
    holds = HOLDS if low > 0 else FAILS if high < 0 else UNTOLD
    return told(name, finding, where, measure, found, holds, unit)


def told(
    name: str, finding: str, where: str, measure: str, found: Interval, holds: str, unit: str
) -> Claim:
    """A claim whose verdict does not follow from a sign."""
    effect, low, high = (float(found[end]) for end in ("mean", "low", "high"))
    return Claim(name, finding, where, measure, holds, effect, low, high, int(found["n"]), unit)
