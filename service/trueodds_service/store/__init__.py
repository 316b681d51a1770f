"""Calibrators and their activations, kept: SQLite by default, PostgreSQL for a cluster.

A calibrator is immutable and named by its content. What answers in a scope is the newest row of
that scope's append-only history of activations. SQLAlchemy and Alembic are named here only.
"""

from trueodds_service.store.alerts import (
    Alert,
    AlertPage,
    Delivery,
    Proposal,
    SqlAlertStore,
    Told,
    Wanted,
)
from trueodds_service.store.audit import Action, AuditEntry, audit_log, forget_audit
from trueodds_service.store.base import CalibratorStore
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.checks import Check, SqlCheckStore
from trueodds_service.store.errors import (
    BadArchive,
    BadPageToken,
    CalibratorNotFound,
    Contradiction,
    KeyNameTaken,
    KeyNotFound,
    NotActive,
    NothingActive,
    RequestReused,
    SchemaTooNew,
    StillActive,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TooManyCalibrators,
    without_password,
)
from trueodds_service.store.keys import ApiKey, SqlKeyStore
from trueodds_service.store.outcomes import Kept, Outcome, Recorded, SqlOutcomeStore
from trueodds_service.store.probe import check_current, make_if_new, probe
from trueodds_service.store.records import (
    Activation,
    Candidate,
    FitRequest,
    Prior,
    Provenance,
    Scope,
    Selection,
)
from trueodds_service.store.sql import SqlCalibratorStore
from trueodds_service.store.transfer import export_store, import_store
from trueodds_service.store.upgrade import upgrade
from trueodds_service.store.views import Page, Snapshot

__all__ = [
    "Action",
    "Activation",
    "Alert",
    "AlertPage",
    "ApiKey",
    "AuditEntry",
    "BadArchive",
    "BadPageToken",
    "Calibrator",
    "CalibratorNotFound",
    "CalibratorStore",
    "Candidate",
    "Check",
    "Contradiction",
    "Delivery",
    "FitRequest",
    "Kept",
    "KeyNameTaken",
    "KeyNotFound",
    "NotActive",
    "NothingActive",
    "Outcome",
    "Page",
    "Prior",
    "Proposal",
    "Provenance",
    "Recorded",
    "RequestReused",
    "SchemaTooNew",
    "Scope",
    "Selection",
    "Snapshot",
    "SqlAlertStore",
    "SqlCalibratorStore",
    "SqlCheckStore",
    "SqlKeyStore",
    "SqlOutcomeStore",
    "StillActive",
    "StoreCorrupt",
    "StoreError",
    "StoreUnavailable",
    "Told",
    "TooManyCalibrators",
    "Wanted",
    "audit_log",
    "check_current",
    "export_store",
    "forget_audit",
    "import_store",
    "make_if_new",
    "probe",
    "upgrade",
    "without_password",
]
