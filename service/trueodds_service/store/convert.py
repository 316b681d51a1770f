"""Rows ↔ records."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.errors import StoreCorrupt
from trueodds_service.store.records import (
    Activation,
    Candidate,
    FitRequest,
    Prior,
    Provenance,
    Scope,
    Selection,
    told_by,
)
from trueodds_service.store.tables import ActivationRow, CalibratorRow, FitRequestRow, ScopeRow


def scope_row(scope: Scope) -> ScopeRow:
    """A new row for a scope."""
    return ScopeRow(**asdict(scope))


def calibrator_row(calibrator: Calibrator, scope: ScopeRow) -> CalibratorRow:
    """A new row for a calibrator whose scope has the given row."""
    selection = calibrator.selection
    return CalibratorRow(
        id=calibrator.id,
        scope=scope,
        method=calibrator.method,
        parameters=dict(calibrator.parameters),
        at_bound=calibrator.at_bound,
        undetermined=calibrator.undetermined,
        provenance=_written(calibrator.provenance),
        metrics=dict(calibrator.metrics),
        fallback=calibrator.fallback,
        selection=None if selection is None else asdict(selection),
        keeps_choice=calibrator.keeps_choice,
        bias_correction=calibrator.bias_correction,
        created_at=calibrator.created_at,
    )


def fit_request_row(request: FitRequest, calibrator: CalibratorRow) -> FitRequestRow:
    """A new row for a request that gave the calibrator of the given row."""
    return FitRequestRow(
        id=request.id,
        fingerprint=request.fingerprint,
        calibrator_id=calibrator.id,
        created_at=datetime.now(UTC),
        tenant=calibrator.scope.tenant,
    )


def scope_record(row: ScopeRow) -> Scope:
    """The scope that a row keeps."""
    return Scope(
        model=row.model,
        revision=row.revision,
        task=row.task,
        reading=row.reading,
        format_version=row.format_version,
        options=row.options,
        tenant=row.tenant,
    )


def calibrator_record(row: CalibratorRow) -> Calibrator:
    """The calibrator that a row keeps.

    Raises:
        StoreCorrupt: the row's content is not the content that its id stands for.
    """
    try:
        calibrator = Calibrator(
            scope=scope_record(row.scope),
            method=row.method,
            parameters=dict(row.parameters),
            at_bound=row.at_bound,
            undetermined=row.undetermined,
            provenance=_provenance(row.provenance),
            metrics=dict(row.metrics),
            fallback=row.fallback,
            selection=None if row.selection is None else _selection(**row.selection),
            keeps_choice=row.keeps_choice,
            bias_correction=row.bias_correction,
            created_at=row.created_at,
        )
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise StoreCorrupt(f"calibrator {row.id} cannot be read: {error}") from error
    if calibrator.id != row.id:
        raise StoreCorrupt(f"calibrator {row.id} holds the content of {calibrator.id}")
    return calibrator


def activation_record(row: ActivationRow) -> Activation:
    """The activation that a row keeps."""
    return Activation(
        sequence=row.sequence,
        scope=scope_record(row.scope),
        calibrator_id=row.calibrator_id,
        parent=row.parent,
        created_at=row.created_at,
    )


def _written(provenance: Provenance) -> dict[str, Any]:
    written = {**told_by(provenance), "versions": dict(provenance.versions)}
    if provenance.prior is not None:
        written["prior"] = asdict(provenance.prior)
    return written


def _provenance(kept: Mapping[str, Any]) -> Provenance:
    provenance = Provenance(**kept)
    prior = provenance.prior
    return replace(provenance, prior=Prior(**prior)) if isinstance(prior, Mapping) else provenance


def _selection(criterion: str, reason: str, candidates: Sequence[Mapping[str, Any]]) -> Selection:
    return Selection(criterion, reason, tuple(Candidate(**each) for each in candidates))
