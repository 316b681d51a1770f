"""Rows ↔ records."""

from dataclasses import asdict

from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.errors import StoreCorrupt
from trueodds_service.store.records import Activation, Provenance, Scope
from trueodds_service.store.rows import ActivationRow, CalibratorRow, ScopeRow


def scope_row(scope: Scope) -> ScopeRow:
    """A new row for a scope."""
    return ScopeRow(**asdict(scope))


def calibrator_row(calibrator: Calibrator, scope: ScopeRow) -> CalibratorRow:
    """A new row for a calibrator whose scope has the given row."""
    provenance = calibrator.provenance
    return CalibratorRow(
        id=calibrator.id,
        scope=scope,
        method=calibrator.method,
        temperature=calibrator.temperature,
        at_bound=calibrator.at_bound,
        undetermined=calibrator.undetermined,
        provenance={
            "teacher": provenance.teacher,
            "teacher_revision": provenance.teacher_revision,
            "items": provenance.items,
            "data_hash": provenance.data_hash,
            "versions": dict(provenance.versions),
        },
        metrics=dict(calibrator.metrics),
        created_at=calibrator.created_at,
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
            temperature=row.temperature,
            at_bound=row.at_bound,
            undetermined=row.undetermined,
            provenance=Provenance(**row.provenance),
            metrics=dict(row.metrics),
            created_at=row.created_at,
        )
    except (TypeError, ValueError) as error:
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
