"""Calibrators, their scopes and their activations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables, and start the clock at version 0."""
    clock = op.create_table(
        "clock",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clock"),
    )
    op.bulk_insert(clock, [{"id": 1, "version": 0}])
    scope = ("model", "revision", "task", "reading", "format_version", "options")
    op.create_table(
        "scopes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("reading", sa.String, nullable=False),
        sa.Column("format_version", sa.Integer, nullable=False),
        sa.Column("options", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scopes"),
        sa.UniqueConstraint(*scope, name=f"uq_scopes_{'_'.join(scope)}"),
    )
    op.create_table(
        "calibrators",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("scope_id", sa.Integer, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("temperature", sa.Double, nullable=False),
        sa.Column("at_bound", sa.Boolean, nullable=False),
        sa.Column("undetermined", sa.Boolean, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_calibrators"),
        sa.UniqueConstraint("id", name="uq_calibrators_id"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_calibrators_scope_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "activations",
        sa.Column("sequence", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("scope_id", sa.Integer, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=True),
        sa.Column("parent", sa.Integer, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_activations"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_activations_scope_id"),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_activations_calibrator_id"
        ),
        sa.ForeignKeyConstraint(["parent"], ["activations.sequence"], name="fk_activations_parent"),
    )
    op.create_index("ix_activations_scope_id_sequence", "activations", ["scope_id", "sequence"])
