"""Outcomes of answers, and the key that seals receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite counts up whole numbers of this name alone, which are as long.
_POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """The key is made when the first receipt is."""
    op.create_table(
        "outcomes",
        sa.Column("position", _POSITION, nullable=False),
        sa.Column("answer_id", sa.LargeBinary, nullable=False),
        sa.Column("scope_id", sa.Integer, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("choice", sa.Integer, nullable=False),
        sa.Column("option", sa.Integer, nullable=True),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sa.Column("calibrated", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_outcomes"),
        sa.UniqueConstraint("answer_id", name="uq_outcomes_answer_id"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_outcomes_scope_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outcomes_calibrator_id_position", "outcomes", ["calibrator_id", "position"])
    op.create_index("ix_outcomes_recorded_at", "outcomes", ["recorded_at"])
    op.create_table(
        "seals",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seals"),
    )
