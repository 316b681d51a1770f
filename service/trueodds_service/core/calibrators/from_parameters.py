"""Stored parameters → the calibrator that they describe."""

from collections.abc import Callable, Mapping, Sequence

from trueodds_service.core.calibrators.base import Calibrator
from trueodds_service.core.calibrators.confidence import (
    BetaMap,
    BinnedScaling,
    CurveMap,
    of_confidences_alone,
)
from trueodds_service.core.calibrators.debiased import Debiased
from trueodds_service.core.calibrators.linear import LinearScaling
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.calibrators.temperature import TemperatureScaling

Stored = Mapping[str, Sequence[float]]
_Given = Mapping[str, tuple[float, ...]]

# Parameters with a number for each option.
_ONE_AN_OPTION = frozenset({"bias", "log_prior"})


def calibrator_of(
    method: Method, parameters: Stored, options: int = 0, *, alone: bool = False
) -> Calibrator:
    """The calibrator whose ``parameters`` these are; with ``alone``, of confidences alone.

    A fit that fell back to a temperature has that as its only parameter, whatever the method.

    Raises ValueError where the parameters are not those of the method, not well formed, or not for
    questions of so many ``options``; 0 is any number.
    """
    given = {name: tuple(float(value) for value in values) for name, values in parameters.items()}
    for name in _ONE_AN_OPTION & given.keys():
        if options and len(given[name]) != options:
            raise ValueError(f"{name} is for {len(given[name])} options, not {options}")
    log_prior = given.pop("log_prior", None)
    build = _BUILDERS.get(method, _ONE).get(frozenset(given))
    if build is None:
        raise ValueError(f"{method} does not have the parameters {sorted(given)}")
    calibrator = build(given)
    if alone:
        return of_confidences_alone(calibrator)
    return calibrator if log_prior is None else Debiased(log_prior, calibrator)


def _number(given: _Given, name: str) -> float:
    values = given[name]
    if len(values) != 1:
        raise ValueError(f"{name} must be one number, got {len(values)}")
    return values[0]


def _temperature(given: _Given) -> Calibrator:
    return TemperatureScaling(_number(given, "temperature"))


def _linear(given: _Given) -> Calibrator:
    return LinearScaling(given["weights"], given["bias"])


def _curve(given: _Given) -> Calibrator:
    return CurveMap(given["confidence"], given["calibrated"])


def _beta(given: _Given) -> Calibrator:
    return BetaMap(*(_number(given, name) for name in ("a", "b", "shift")))


def _binned(given: _Given) -> Calibrator:
    return BinnedScaling(_number(given, "temperature"), given["edges"], given["calibrated"])


_Builder = Callable[[_Given], Calibrator]

_ONE: dict[frozenset[str], _Builder] = {frozenset({"temperature"}): _temperature}
_LINEAR = {**_ONE, frozenset({"weights", "bias"}): _linear}
_CURVE = {**_ONE, frozenset({"confidence", "calibrated"}): _curve}

# By their names, the sets of parameters that a method may have.
_BUILDERS: dict[Method, dict[frozenset[str], _Builder]] = {
    Method.VECTOR: _LINEAR,
    Method.MATRIX: _LINEAR,
    Method.ISOTONIC: _CURVE,
    Method.KDE: _CURVE,
    Method.BETA: {**_ONE, frozenset({"a", "b", "shift"}): _beta},
    Method.SCALING_BINNING: {**_ONE, frozenset({"temperature", "edges", "calibrated"}): _binned},
}
