"""The path of scores that the caller has: a calibrator by name or by scope, applied to each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueodds_service.errors import NotReady, ServiceError
from trueodds_service.flows.apply import distributions, mismatch, options_mismatch
from trueodds_service.flows.calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Scope


@dataclass(frozen=True, slots=True)
class CalibrateQuery:
    """Rows of option scores, and what to apply to them.

    ``calibrator`` is an id; None for the active one of the scope, of which ``options`` is the
    rest. With a calibrator, ``task`` and ``reading`` are checked against its scope, where they
    are given at all.
    """

    model: str
    calibrator: str | None
    task: str
    reading: Reading | None
    options: int
    rows: Sequence[NDArray[np.float64] | ServiceError]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What became of a row of k scores; both distributions have shape (k,)."""

    probabilities: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choice: int


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """One outcome a row, in their order, and the calibrator that was applied."""

    calibrator: Calibrator
    outcomes: list[Calibrated | ServiceError]


async def calibrate(
    query: CalibrateQuery, catalog: Catalog, calibrators: Calibrators
) -> CalibrateResult:
    """Applies a calibrator. A row that it is not for has its error as its outcome.

    Raises a ServiceError for what is wrong with the query as a whole.
    """
    calibrator = await _calibrator(query, catalog, calibrators)
    applied = calibrators.applied(calibrator)
    if isinstance(applied, ServiceError):
        raise applied
    rows = [
        row if isinstance(row, ServiceError) else options_mismatch(calibrator, len(row)) or row
        for row in query.rows
    ]
    fitting = [row for row in rows if not isinstance(row, ServiceError)]
    found: Iterator[Calibrated] = iter(())
    if fitting:
        of_all = distributions(np.stack(fitting), calibrator, applied)
        found = map(Calibrated, of_all.answer, of_all.calibrated, of_all.choices.tolist())
    outcomes = [row if isinstance(row, ServiceError) else next(found) for row in rows]
    return CalibrateResult(calibrator, outcomes)


async def _calibrator(
    query: CalibrateQuery, catalog: Catalog, calibrators: Calibrators
) -> Calibrator:
    if query.calibrator is not None:
        named = await calibrators.get(query.model, query.calibrator)
        if query.task and named.scope.task not in ("", query.task):
            raise mismatch("another task")
        if query.reading is not None and not query.reading.is_way(named.scope.reading):
            raise mismatch("another way of reading")
        return named
    model = catalog.find(query.model)
    key = (query.reading or Reading()).key()
    scope = Scope(model.name, model.revision, query.task, key, FORMAT_VERSION, query.options)
    active = calibrators.active(scope)
    if active is None:
        raise NotReady(
            f"no calibrator is active for {query.options} options, the task or as the default",
            reason="NO_CALIBRATOR",
        )
    if isinstance(active, NotReady):
        raise active
    return active
