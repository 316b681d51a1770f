"""Checks of calibrators: how often a model and its teacher disagree on fresh questions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A table of its own; what there was stays as it is."""
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
