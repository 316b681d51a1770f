"""The tables. ``migrations/`` builds the same ones, and a test holds the two together."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

# Names that every database gives alike, so that later migrations can speak of them.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

CLOCK_ID = 1
SEAL_ID = 1


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite drops the time zone of what it keeps; this puts it back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC, so that what is kept without a zone means UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """With the zone UTC, whether the database kept one or not."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Row(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(naming_convention=_NAMES)


class ClockRow(Row):
    """The one row with the store's version. A writer holds its lock until the commit.

    So sequences appear in the order of their commits, in PostgreSQL too: a reader that has seen
    one has seen all before it.
    """

    __tablename__ = "clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class ScopeRow(Row):
    """A scope that some calibrator was fitted for, or that some outcome is of."""

    __tablename__ = "scopes"
    __table_args__ = (
        UniqueConstraint(
            *("tenant", "model", "revision", "task", "reading", "format_version", "options"),
            name="uq_scopes_tenant",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    revision: Mapped[str]
    task: Mapped[str]
    reading: Mapped[str]
    format_version: Mapped[int]
    options: Mapped[int]
    tenant: Mapped[str] = mapped_column(server_default="")


class CalibratorRow(Row):
    """A calibrator; written once. ``position`` is the order in which they came.

    A ``deleted`` one stays in the table, for activation histories name it.
    """

    __tablename__ = "calibrators"
    __table_args__ = (UniqueConstraint("id"), {"sqlite_autoincrement": True})

    position: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str]
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    method: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    at_bound: Mapped[bool]
    undetermined: Mapped[bool]
    provenance: Mapped[dict[str, Any]] = mapped_column(JSON)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    fallback: Mapped[str] = mapped_column(server_default="")
    selection: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    keeps_choice: Mapped[bool] = mapped_column(server_default=true())
    bias_correction: Mapped[str] = mapped_column(server_default="")
    deleted: Mapped[bool] = mapped_column(server_default=false(), default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    scope: Mapped[ScopeRow] = relationship(lazy="joined", innerjoin=True)


class ActivationRow(Row):
    """A row of a scope's history; written once. The newest of a scope is in force."""

    __tablename__ = "activations"
    __table_args__ = (Index(None, "scope_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    calibrator_id: Mapped[str | None] = mapped_column(ForeignKey("calibrators.id"))
    parent: Mapped[int | None] = mapped_column(ForeignKey("activations.sequence"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    scope: Mapped[ScopeRow] = relationship(lazy="joined", innerjoin=True)


class FitRequestRow(Row):
    """A request to fit that a caller has named, and the calibrator that it gave; written once.

    Each tenant has names of its own.
    """

    __tablename__ = "fit_requests"

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    calibrator_id: Mapped[str] = mapped_column(ForeignKey("calibrators.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tenant: Mapped[str] = mapped_column(primary_key=True, server_default="")


class ApiKeyRow(Row):
    """An API key, of which only a hash is kept. One that is revoked stays for the audit log."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tenant: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(JSON)
    hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditRow(Row):
    """Who has changed what; written once, in the transaction of the change."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    sequence: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tenant: Mapped[str]
    caller: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]


class OutcomeRow(Row):
    """What became of an answer. ``position`` is the order in which the first word of each came.

    ``calibrator_id`` is empty for a raw answer, ``option`` None where nobody knows. Probabilities
    are float32, little-endian, one an option.
    """

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("answer_id"),
        Index(None, "calibrator_id", "position"),
        Index(None, "recorded_at"),
        {"sqlite_autoincrement": True},
    )

    # In SQLite whole numbers are as long, and only this name of them counts up.
    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    answer_id: Mapped[bytes]
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    calibrator_id: Mapped[str]
    choice: Mapped[int]
    option: Mapped[int | None]
    probabilities: Mapped[bytes]
    calibrated: Mapped[bytes]
    answered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AnswerRow(Row):
    """An answer that waits for its outcome; its columns are as those of ``OutcomeRow``."""

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("answer_id"),
        Index(None, "answered_at"),
        {"sqlite_autoincrement": True},
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    answer_id: Mapped[bytes]
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    calibrator_id: Mapped[str]
    choice: Mapped[int]
    probabilities: Mapped[bytes]
    calibrated: Mapped[bytes]
    answered_at: Mapped[datetime] = mapped_column(UtcDateTime)

    scope: Mapped[ScopeRow] = relationship(lazy="joined", innerjoin=True)


class CorrectionsRow(Row):
    """How often outcomes of a calibrator's answers were corrected: who follows them reads again."""

    __tablename__ = "corrections"

    calibrator_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


class AlertRow(Row):
    """That a test found evidence against a calibrator: once, whoever else finds it.

    ``through`` is the position of the last outcome that was looked at. ``try_at`` is when the
    operator's webhook is to be told (again), None where it never is, or no more.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("calibrator_id", "test"),
        {"sqlite_autoincrement": True},
    )

    position: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str]
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    calibrator_id: Mapped[str] = mapped_column(ForeignKey("calibrators.id"))
    test: Mapped[str]
    alpha: Mapped[float] = mapped_column(Double)
    log_evidence: Mapped[float] = mapped_column(Double)
    outcomes: Mapped[int]
    expected: Mapped[float] = mapped_column(Double)
    observed: Mapped[float] = mapped_column(Double)
    through: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fault: Mapped[str]

    scope: Mapped[ScopeRow] = relationship(lazy="joined", innerjoin=True)


class ProposalRow(Row):
    """What is to take the place of a calibrator that no longer holds: one for all of its alerts.

    It is fitted on outcomes after the position ``after``. ``try_at`` is when that is tried (again),
    None once it is done; ``note`` is why there is none, while there is none.
    """

    __tablename__ = "proposals"

    calibrator_id: Mapped[str] = mapped_column(ForeignKey("calibrators.id"), primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str]
    proposed_id: Mapped[str | None] = mapped_column(ForeignKey("calibrators.id"))
    fitted: Mapped[int]
    held_out: Mapped[int]
    differences: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    activated: Mapped[bool]


class CheckRow(Row):
    """Fresh questions on which a calibrator's model and its teacher were compared.

    The same prompts again are no other check. ``proposal`` is a refit from these questions, as
    ``ProposalRow`` has those from outcomes.
    """

    __tablename__ = "checks"
    __table_args__ = (
        UniqueConstraint("calibrator_id", "prompts_hash"),
        {"sqlite_autoincrement": True},
    )

    position: Mapped[int] = mapped_column(primary_key=True)
    calibrator_id: Mapped[str] = mapped_column(ForeignKey("calibrators.id"))
    prompts_hash: Mapped[str]
    teacher: Mapped[str]
    questions: Mapped[int]
    disagreeing: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    proposal: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class SealRow(Row):
    """The one row with the key that seals receipts, there once a receipt was asked for."""

    __tablename__ = "seals"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[bytes]
