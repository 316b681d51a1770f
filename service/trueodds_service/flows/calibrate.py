"""The path of scores that the caller has: a calibrator by name or by scope, applied to each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.calibrators.base import Calibrator as Applied
from trueodds_service.errors import NotReady, ServiceError
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.apply_calibrator import (
    distributions,
    kind_mismatch,
    mismatch,
    options_mismatch,
    reading_mismatch,
)
from trueodds_service.flows.catalog import Catalog
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import CONFIDENCES_ALONE, Scope


@dataclass(frozen=True, slots=True)
class CalibrateQuery:
    """Rows of option scores, and what to apply to them.

    ``calibrator`` is an id; None for what is active for the task, the reading and each row's number
    of options. With a calibrator, ``task`` and ``reading`` are checked against its scope, where
    they are given at all. ``alone``: rows are of confidences alone, ln c and ln(1 - c).
    """

    model: str
    calibrator: str | None
    task: str
    reading: Reading | None
    rows: Sequence[NDArray[np.float64] | ServiceError]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What became of a row of k scores, and by what; both distributions have shape (k,).

    ``alone``: of a confidence alone, which is the first of two.
    """

    calibrator: str
    probabilities: NDArray[np.float64]
    calibrated: NDArray[np.float64]
    choice: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """One outcome a row, in their order, and the first calibrator that was applied, if any.

    ``stale``: what is active may have changed, and the store was away.
    """

    calibrator: str
    outcomes: list[Calibrated | ServiceError]
    stale: bool


async def calibrate(
    query: CalibrateQuery, catalog: Catalog, calibrators: Calibrators
) -> CalibrateResult:
    """Applies a calibrator. A row that it is not for has its error as its outcome.

    Raises a ServiceError for what is wrong with the query as a whole, as where no row has one.
    """
    named = await _named(query, calibrators)
    scope = named.scope if named else _scope(query, catalog)
    outcomes: list[Calibrated | ServiceError | None] = [
        row if isinstance(row, ServiceError) else None for row in query.rows
    ]
    used = named
    refused: ServiceError | None = None
    for options, places in _by_options(query.rows).items():
        scope = replace(scope, options=0 if query.alone else options)
        chosen = _choose(named, scope, calibrators)
        if isinstance(chosen, ServiceError):
            refused = refused or chosen
            for place in places:
                outcomes[place] = chosen
            continue
        calibrator, applied = chosen
        used = used or calibrator
        rows = np.array([query.rows[place] for place in places])
        found = distributions(rows, calibrator, applied)
        for place, answer, calibrated, choice in zip(
            places, found.answer, found.calibrated, found.choices.tolist(), strict=True
        ):
            outcomes[place] = Calibrated(calibrator.name, answer, calibrated, choice, query.alone)
    if used is None and refused is not None:
        raise refused
    return CalibrateResult(
        "" if used is None else used.name,
        [each for each in outcomes if each is not None],
        calibrators.stale,
    )


def _by_options(rows: Sequence[NDArray[np.float64] | ServiceError]) -> dict[int, list[int]]:
    """The places of the rows that are none of an error, by their number of options."""
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, ServiceError):
            places.setdefault(len(row), []).append(place)
    return places


async def _named(query: CalibrateQuery, calibrators: Calibrators) -> Calibrator | None:
    """The calibrator that the caller names, once it is known to fit the query and to be whole."""
    if query.calibrator is None:
        return None
    named = await calibrators.get(query.model, query.calibrator)
    if wrong := kind_mismatch(named, alone=query.alone):
        raise wrong
    if query.task and named.scope.task not in ("", query.task):
        raise mismatch(f"another task, {named.scope.task!r}")
    if query.reading is not None and not query.reading.is_way(named.scope.reading):
        raise reading_mismatch(named, query.reading.key())
    applied = calibrators.applied(named)
    if isinstance(applied, ServiceError):
        raise applied
    return named


def _scope(query: CalibrateQuery, catalog: Catalog) -> Scope:
    """The scope of the rows, but for their number of options."""
    model = catalog.find(query.model)
    key = CONFIDENCES_ALONE if query.alone else (query.reading or Reading()).key()
    return model.scope(query.task, key, 0)


def _choose(
    named: Calibrator | None, scope: Scope, calibrators: Calibrators
) -> tuple[Calibrator, Applied] | ServiceError:
    """What is applied to rows of a scope, or why nothing is."""
    calibrator = named or calibrators.active(scope)
    if calibrator is None:
        if not calibrators.is_known:
            return calibrators.none_active(scope)
        what = "confidences alone" if scope.is_alone else f"{scope.options} options"
        return NotReady(
            f"no calibrator is active for {what}, the task or as the default",
            reason="NO_CALIBRATOR",
        )
    if isinstance(calibrator, NotReady):
        return calibrator
    if wrong := options_mismatch(calibrator, scope.options):
        return wrong
    applied = calibrators.applied(calibrator)
    return applied if isinstance(applied, NotReady) else (calibrator, applied)
