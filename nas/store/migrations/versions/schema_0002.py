"""Verifications: what the last phase of a run measured again, in fresh processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FORGET_VERIFICATIONS = """\
CREATE TRIGGER nas_forget_verifications AFTER DELETE ON nas_studies FOR EACH ROW BEGIN
DELETE FROM nas_verifications WHERE study_uuid = OLD.uuid;
END"""


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "nas_verifications",
        sa.Column("study_uuid", sa.String(32), primary_key=True),
        sa.Column("trial", sa.Integer, primary_key=True),
        sa.Column("column", sa.String(64), primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("processes", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    op.execute(FORGET_VERIFICATIONS)


def downgrade() -> None:
    """To the revision before."""
    op.execute("DROP TRIGGER nas_forget_verifications")
    op.drop_table("nas_verifications")
