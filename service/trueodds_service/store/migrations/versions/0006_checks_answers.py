"""Checks of calibrators by fresh questions, and answers that wait for their outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# As outcomes have theirs.
_POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Two new tables; what there was stays as it is."""
    op.create_table(
        "checks",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("prompts_hash", sa.String, nullable=False),
        sa.Column("teacher", sa.String, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
        sa.Column("disagreeing", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposal", sa.JSON, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_checks"),
        sa.UniqueConstraint(
            "calibrator_id", "prompts_hash", name="uq_checks_calibrator_id_prompts_hash"
        ),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_checks_calibrator_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "answers",
        sa.Column("position", _POSITION, nullable=False),
        sa.Column("answer_id", sa.LargeBinary, nullable=False),
        sa.Column("scope_id", sa.Integer, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("choice", sa.Integer, nullable=False),
        sa.Column("probabilities", sa.LargeBinary, nullable=False),
        sa.Column("calibrated", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_answers"),
        sa.UniqueConstraint("answer_id", name="uq_answers_answer_id"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_answers_scope_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answers_answered_at", "answers", ["answered_at"])
