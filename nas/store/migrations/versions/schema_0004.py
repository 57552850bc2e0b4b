"""What blocks cost, for every process and study; and the settings of columns, once instead of with each measurement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "nas_costs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
    )
    op.create_index("nas_costs_key", "nas_costs", ["key"], unique=True)
    op.create_table(
        "nas_settings",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("setting", sa.Text, nullable=False),
    )
    op.add_column("nas_measurements", sa.Column("setting", sa.String(16)))
    op.execute("UPDATE nas_measurements SET key = substr(key, 1, 32)")  # of 64 digits, which no file needs


def downgrade() -> None:
    """To the revision before; a condition that a measurement has as null is left out."""
    op.execute(
        "UPDATE nas_measurements SET conditions = json_patch((SELECT s.setting FROM nas_settings AS s"
        " WHERE s.fingerprint = nas_measurements.setting), conditions) WHERE setting IS NOT NULL"
    )
    op.execute(
        "UPDATE nas_measurements SET conditions = json_set(conditions, '$.reference_ratio', reference_ratio)"
        " WHERE reference_ratio IS NOT NULL"
    )
    op.drop_column("nas_measurements", "setting")
    op.drop_table("nas_settings")
    op.drop_table("nas_costs")
