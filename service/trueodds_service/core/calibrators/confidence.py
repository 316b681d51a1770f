"""Calibrators of the choice's confidence: c → c', the other options in proportion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_unit_interval
from trueodds_service.core.calibrators.base import Parameters
from trueodds_service.core.calibrators.confidence_split import Split
from trueodds_service.core.calibrators.temperature import TemperatureScaling

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CurveMap:
    """c' by linear interpolation between knots, level beyond them: ISOTONIC and KDE.

    Raises ValueError where there is no knot, the two differ in length, a number is outside [0, 1],
    or ``confidence`` does not ascend.
    """

    confidence: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.confidence) == len(self.calibrated):
            raise ValueError("confidence and calibrated must be as many, at least one")
        _check_ascending("confidence", self.confidence)
        as_unit_interval(self.calibrated, "calibrated")

    @property
    def parameters(self) -> Parameters:
        return {"confidence": self.confidence, "calibrated": self.calibrated}

    def apply(self, scores: ArrayLike) -> _Array:
        """As ``Calibrator.apply``."""
        split = Split.of(scores)
        return split.with_confidence(
            np.asarray(np.interp(split.confidence, self.confidence, self.calibrated))
        )


@dataclass(frozen=True, slots=True)
class BetaMap:
    """logit c' = a ln c − b ln(1 − c) + shift, ascending: Kull et al. 2017 (AISTATS).

    Raises ValueError where a number is not finite, or ``a`` or ``b`` is below zero.
    """

    a: float
    b: float
    shift: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.a, self.b, self.shift]).all() and self.a >= 0 and self.b >= 0):
            raise ValueError(
                f"a, b >= 0 and shift must be finite, got {self.a}, {self.b}, {self.shift}"
            )

    @property
    def parameters(self) -> Parameters:
        return {"a": (self.a,), "b": (self.b,), "shift": (self.shift,)}

    def apply(self, scores: ArrayLike) -> _Array:
        """As ``Calibrator.apply``."""
        split = Split.of(scores)
        log_c, log_rest = split.log_odds_parts
        with np.errstate(over="ignore"):
            odds_against = np.exp(self.b * log_rest - self.a * log_c - self.shift)
        return split.with_confidence(np.asarray(1 / (1 + odds_against)))


@dataclass(frozen=True, slots=True)
class BinnedScaling:
    """A temperature, then c' of the bin in which the confidence falls: Kumar et al. 2019.

    A bin holds lower ≤ c < upper, the last its upper edge too; ``edges`` has one more number
    than ``calibrated``.

    Raises ValueError as ``TemperatureScaling`` and ``CurveMap`` do.
    """

    temperature: float
    edges: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __post_init__(self) -> None:
        TemperatureScaling(self.temperature)
        if not 0 < len(self.calibrated) == len(self.edges) - 1:
            raise ValueError("edges must be one more than calibrated, at least two")
        _check_ascending("edges", self.edges)
        as_unit_interval(self.calibrated, "calibrated")

    @property
    def parameters(self) -> Parameters:
        return {
            "temperature": (self.temperature,),
            "edges": self.edges,
            "calibrated": self.calibrated,
        }

    def apply(self, scores: ArrayLike) -> _Array:
        """As ``Calibrator.apply``."""
        split = Split.of(scores, self.temperature)
        # Not ``bin_of``: what is stored is applied as it was fitted, by every version.
        place = np.searchsorted(self.edges[1:-1], split.confidence, side="right")
        return split.with_confidence(np.asarray(np.array(self.calibrated)[place]))


def _check_ascending(name: str, values: tuple[float, ...]) -> None:
    as_unit_interval(values, name)
    if (np.diff(values) < 0).any():
        raise ValueError(f"{name} must ascend")
