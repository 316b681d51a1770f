"""Stored parameters → the calibrator that they describe."""

from collections.abc import Callable, Mapping, Sequence

from trueodds_service.core.bias import Debiased
from trueodds_service.core.calibrators import Calibrator, TemperatureScaling
from trueodds_service.core.methods import Method

Stored = Mapping[str, Sequence[float]]


def calibrator_of(method: Method, parameters: Stored) -> Calibrator:
    """The calibrator whose ``parameters`` these are.

    A fit that fell back to a temperature has that as its only parameter, whatever the method.

    Raises
    ------
    ValueError
        If the parameters are not those of the method, or not well formed.
    """
    del method
    given = {name: tuple(float(value) for value in values) for name, values in parameters.items()}
    log_prior = given.pop("log_prior", None)
    build = _BUILDERS.get(frozenset(given))
    if build is None:
        raise ValueError(f"no method has the parameters {sorted(given)}")
    calibrator = build(given)
    return calibrator if log_prior is None else Debiased(log_prior, calibrator)


def _temperature(given: Mapping[str, tuple[float, ...]]) -> Calibrator:
    return TemperatureScaling(*given["temperature"])


_BUILDERS: dict[frozenset[str], Callable[[Mapping[str, tuple[float, ...]]], Calibrator]] = {
    frozenset({"temperature"}): _temperature,
}
