"""The environment of a verification: where it is another one than the search's, the two values do not compare."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.add_column("nas_verifications", sa.Column("environment", sa.String(16)))


def downgrade() -> None:
    """To the revision before."""
    op.drop_column("nas_verifications", "environment")
