"""Calibrators of any method, deletion, and requests to fit that are named."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A temperature becomes a parameter; what is new gets the value that it has always had."""
    for column in (
        sa.Column("parameters", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("fallback", sa.String, nullable=False, server_default=""),
        sa.Column("selection", sa.JSON, nullable=True),
        sa.Column("keeps_choice", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("bias_correction", sa.String, nullable=False, server_default=""),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("calibrators", column)
    _move_temperatures()
    op.drop_column("calibrators", "temperature")
    op.create_table(
        "fit_requests",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("calibrator_id", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fit_requests"),
        sa.ForeignKeyConstraint(
            ["calibrator_id"], ["calibrators.id"], name="fk_fit_requests_calibrator_id"
        ),
    )


def _move_temperatures() -> None:
    calibrators = sa.table(
        "calibrators",
        sa.column("position", sa.Integer),
        sa.column("temperature", sa.Double),
        sa.column("parameters", sa.JSON),
    )
    connection = op.get_bind()
    for position, temperature in connection.execute(
        sa.select(calibrators.c.position, calibrators.c.temperature)
    ).all():
        connection.execute(
            calibrators.update()
            .where(calibrators.c.position == position)
            .values(parameters={"temperature": [temperature]})
        )
