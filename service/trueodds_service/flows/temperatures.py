"""The paths of temperatures that were fitted elsewhere, or are used there: kept, and told."""

from collections.abc import Mapping
from dataclasses import dataclass

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.errors import NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.decide import FEWEST_OPTIONS, MOST_OPTIONS, reading_of
from trueodds_service.flows.fit import FitQuery, fit
from trueodds_service.flows.fit_data import NoData
from trueodds_service.prompts.question import Kind
from trueodds_service.store.calibrator import Calibrator

Temperatures = Mapping[Kind, Mapping[int, float]]
"""For each kind of decision, a temperature by the number of options; 0 is any number."""


@dataclass(frozen=True, slots=True)
class DecisionScope:
    """The decisions of a model that temperatures are for: of a task, in whichever kind and number
    of options; asked in cyclic orders, or as they are.
    """

    model: str
    task: str
    cyclic: bool = False


async def keep_temperatures(
    scope: DecisionScope,
    temperatures: Temperatures,
    catalog: Catalog,
    calibrators: Calibrators,
    *,
    activate: bool,
) -> list[Calibrator]:
    """A calibrator of each, METHOD_CONSTANT. Raises a ServiceError; what was kept before stays."""
    kept = []
    for kind, by_options in temperatures.items():
        for options, temperature in by_options.items():
            query = FitQuery(
                model=scope.model,
                task=scope.task,
                reading=reading_of(cyclic=scope.cyclic, redrawn=False),
                method=Method.CONSTANT,
                temperature=temperature,
                teacher=None,
                source=NoData(options, kind),
                activate=activate,
                any_options=options == 0,
            )
            async for event in fit(query, catalog, calibrators):
                if isinstance(event, Calibrator):
                    kept.append(event)
    return kept


def active_temperatures(
    scope: DecisionScope, catalog: Catalog, calibrators: Calibrators
) -> Temperatures:
    """What answers in a scope itself, and not what answers in its stead.

    Raises a ServiceError where a calibrator there is more than a temperature, or none is active.
    """
    entry = catalog.find(scope.model)
    reading = reading_of(cyclic=scope.cyclic, redrawn=False)
    found: dict[Kind, dict[int, float]] = {}
    for kind in Kind:
        for options in (0, *range(FEWEST_OPTIONS, MOST_OPTIONS + 1)):
            place = entry.scope(scope.task, reading.key_of(kind), options)
            active = calibrators.active(place)
            if isinstance(active, ServiceError):
                raise active
            if active is None or active.scope != place:
                continue
            temperature = _temperature(active)
            if temperature is None:
                raise NotReady(
                    f"{active.name}, of {kind} decisions, is more than a temperature: it is "
                    f"METHOD_{active.method.upper()}",
                    reason="NOT_A_TEMPERATURE",
                )
            found.setdefault(kind, {})[options] = temperature
    if not found:
        if not calibrators.is_known:
            raise calibrators.none_active(entry.scope(scope.task, reading.key_of(Kind.CHOICE), 0))
        raise NotReady(
            "no calibrator of decisions is active for this task", reason="NOT_CALIBRATED"
        )
    return found


def _temperature(calibrator: Calibrator) -> float | None:
    """None where it is more than one temperature: a file of them has no place for a label prior."""
    if calibrator.method == Method.IDENTITY:
        return 1.0
    if calibrator.bias_correction:
        return None
    return calibrator.temperature
