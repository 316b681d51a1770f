"""Tenants, API keys, and the audit log."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SCOPE = ("model", "revision", "task", "reading", "format_version", "options")
_FORMER_UNIQUE = f"uq_scopes_{'_'.join(_SCOPE)}"


def upgrade() -> None:
    """What there is belongs to the tenant without a name."""
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_in_sqlite()
    else:
        for table in ("scopes", "fit_requests"):
            op.add_column(table, _tenant())
        op.drop_constraint(_FORMER_UNIQUE, "scopes")
        op.create_unique_constraint("uq_scopes_tenant", "scopes", ["tenant", *_SCOPE])
        op.drop_constraint("pk_fit_requests", "fit_requests")
        op.create_primary_key("pk_fit_requests", "fit_requests", ["id", "tenant"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("caller", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_autoincrement=True,
    )


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String, nullable=False, server_default="")


def _rebuild_in_sqlite() -> None:
    """SQLite cannot change what is unique in a table: it gets another, with the same rows."""
    # What refers to a scope does so to one that is gone until its row is there again.
    op.execute("PRAGMA defer_foreign_keys = ON")
    _rebuild(
        "scopes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("reading", sa.String, nullable=False),
        sa.Column("format_version", sa.Integer, nullable=False),
        sa.Column("options", sa.Integer, nullable=False),
        _tenant(),
        sa.PrimaryKeyConstraint("id", name="pk_scopes"),
        sa.UniqueConstraint("tenant", *_SCOPE, name="uq_scopes_tenant"),
    )
    _rebuild(
        "fit_requests",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        _tenant(),
        sa.PrimaryKeyConstraint("id", "tenant", name="pk_fit_requests"),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_fit_requests_calibrator_id"
        ),
    )


def _rebuild(name: str, *parts: sa.schema.SchemaItem) -> None:
    rows: Sequence[sa.RowMapping] = (
        op.get_bind().execute(sa.text(f"SELECT * FROM {name}")).mappings().all()  # noqa: S608
    )
    op.drop_table(name)
    # Moments as SQLite keeps them, which is as text: they need no reading.
    table = op.create_table(name, *parts)
    names = [column.name for column in table.columns if column.name != "tenant"]
    places = ", ".join(f":{each}" for each in names)
    insert = sa.text(f"INSERT INTO {name} ({', '.join(names)}) VALUES ({places})")  # noqa: S608
    if rows:
        op.get_bind().execute(insert, [dict(row) for row in rows])
