"""Calibrators of the choice's confidence: c → c', the other options in proportion."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueodds_service.core.arrays.checks import as_unit_interval
from trueodds_service.core.calibrators.base import Calibrator, Parameters
from trueodds_service.core.calibrators.confidence_split import Split
from trueodds_service.core.calibrators.temperature import TemperatureScaling

_Array = NDArray[np.float64]


class ConfidenceMap(Calibrator, Protocol):
    """A calibrator that looks at the confidence alone, whatever the other options have."""

    def confidence_of(self, split: Split) -> _Array:
        """Calibrated confidences, (...), of distributions that are told apart."""
        ...


@dataclass(frozen=True, slots=True)
class ConfidencesAlone:
    """A map of confidences whose other options nobody knows: ln c, ln(1 − c) → c', 1 − c'."""

    map: ConfidenceMap

    @property
    def parameters(self) -> Parameters:
        return self.map.parameters

    def apply(self, scores: ArrayLike) -> _Array:
        """As ``Calibrator.apply``, of scores (..., 2); option 0 is that the answer is right."""
        confidence = self.map.confidence_of(Split.of_confidences(scores))
        return np.stack([confidence, 1 - confidence], axis=-1)


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
        return split.with_confidence(self.confidence_of(split))

    def confidence_of(self, split: Split) -> _Array:
        """As ``ConfidenceMap.confidence_of``."""
        return np.asarray(np.interp(split.confidence, self.confidence, self.calibrated))


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
        return split.with_confidence(self.confidence_of(split))

    def confidence_of(self, split: Split) -> _Array:
        """As ``ConfidenceMap.confidence_of``."""
        log_c, log_rest = split.log_odds_parts
        with np.errstate(over="ignore"):
            odds_against = np.exp(self.b * log_rest - self.a * log_c - self.shift)
        return np.asarray(1 / (1 + odds_against))


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
        split = Split.of(scores).at(self.temperature)
        return split.with_confidence(self._binned(split))

    def confidence_of(self, split: Split) -> _Array:
        """As ``ConfidenceMap.confidence_of``."""
        return self._binned(split.at(self.temperature))

    def _binned(self, split: Split) -> _Array:
        # Not ``bin_of``: a stored map is applied as it was fitted, by every version.
        place = np.searchsorted(self.edges[1:-1], split.confidence, side="right")
        return np.asarray(np.array(self.calibrated)[place])


def of_confidences_alone(calibrator: Calibrator) -> Calibrator:
    """What applies a map to confidences alone, (..., 2); a temperature does as it is.

    Raises
    ------
    ValueError
        If the calibrator is no map of confidence.
    """
    match calibrator:
        case TemperatureScaling():
            return calibrator
        case CurveMap() | BetaMap() | BinnedScaling():
            return ConfidencesAlone(calibrator)
        case _:
            raise ValueError(f"{type(calibrator).__name__} is no map of confidence")


def _check_ascending(name: str, values: tuple[float, ...]) -> None:
    as_unit_interval(values, name)
    if (np.diff(values) < 0).any():
        raise ValueError(f"{name} must ascend")
