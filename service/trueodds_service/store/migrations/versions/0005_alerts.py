"""Alerts of calibrators that no longer hold, and what is proposed in their place."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# As that of outcomes.
_POSITION = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Outcomes that were corrected till now count as never corrected: nobody has followed them."""
    op.create_table(
        "corrections",
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("calibrator_id", name="pk_corrections"),
    )
    op.create_table(
        "alerts",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("scope_id", sa.Integer, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("test", sa.String, nullable=False),
        sa.Column("alpha", sa.Double, nullable=False),
        sa.Column("log_evidence", sa.Double, nullable=False),
        sa.Column("outcomes", sa.Integer, nullable=False),
        sa.Column("expected", sa.Double, nullable=False),
        sa.Column("observed", sa.Double, nullable=False),
        sa.Column("through", _POSITION, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("try_at", _MOMENT, nullable=True),
        sa.Column("delivered_at", _MOMENT, nullable=True),
        sa.Column("fault", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_alerts"),
        sa.UniqueConstraint("id", name="uq_alerts_id"),
        sa.UniqueConstraint("calibrator_id", "test", name="uq_alerts_calibrator_id_test"),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], name="fk_alerts_scope_id"),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_alerts_calibrator_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "proposals",
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("after", _POSITION, nullable=False),
        sa.Column("try_at", _MOMENT, nullable=True),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("proposed_id", sa.String, nullable=True),
        sa.Column("fitted", sa.Integer, nullable=False),
        sa.Column("held_out", sa.Integer, nullable=False),
        sa.Column("differences", sa.JSON, nullable=True),
        sa.Column("activated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("calibrator_id", name="pk_proposals"),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_proposals_calibrator_id"
        ),
        sa.ForeignKeyConstraint(
            ["proposed_id"], ["calibrators.id"], name="fk_proposals_proposed_id"
        ),
    )
