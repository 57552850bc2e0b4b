"""The first schema: studies, their columns, trials, measurements, samples and environments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FORGET_STUDY = """\
CREATE TRIGGER nas_forget_study AFTER DELETE ON studies FOR EACH ROW BEGIN
DELETE FROM nas_trial_measurements WHERE study_uuid IN (SELECT uuid FROM nas_studies WHERE optuna_id = OLD.study_id);
DELETE FROM nas_trials WHERE study_uuid IN (SELECT uuid FROM nas_studies WHERE optuna_id = OLD.study_id);
DELETE FROM nas_columns WHERE study_uuid IN (SELECT uuid FROM nas_studies WHERE optuna_id = OLD.study_id);
DELETE FROM nas_studies WHERE optuna_id = OLD.study_id;
END"""
"""SQLite's: whoever deletes a study in Optuna, our rows of it go too."""


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "nas_studies",
        sa.Column("uuid", sa.String(32), primary_key=True),
        sa.Column("optuna_id", sa.Integer, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("nas_version", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("registry", sa.Text, nullable=False),
        sa.Column("objectives", sa.Text, nullable=False),
        sa.Column("constraints", sa.Text, nullable=False),
    )
    op.create_table(
        "nas_columns",
        sa.Column("study_uuid", sa.String(32), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("required", sa.Boolean, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
    )
    op.create_table(
        "nas_trials",
        sa.Column("study_uuid", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("arch_id", sa.String(64)),
        sa.Column("arch", sa.Text),
        sa.Column("params", sa.BigInteger),
        sa.Column("macs", sa.BigInteger),
        sa.Column("flops", sa.BigInteger),
        sa.Column("activations", sa.BigInteger),
        sa.Column("receptive_field", sa.Text),
        sa.Column("output_stride", sa.Text),
        sa.Column("global_ops", sa.Text),
        sa.Column("unsupported_ops", sa.Text),
        sa.Column("sampler", sa.Text),
        sa.Column("rejected", sa.Integer),
        sa.Column("retry_of", sa.Integer),
        sa.Column("owner_host", sa.Text),
        sa.Column("owner_boot", sa.String(64)),
        sa.Column("owner_namespace", sa.String(64)),
        sa.Column("owner_pid", sa.Integer),
        sa.Column("owner_started", sa.String(32)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("message", sa.Text),
        sa.Column("feasible", sa.Boolean),
        sa.Column("duration_s", sa.Float),
        sa.Column("seconds", sa.Text),
    )
    op.create_table(
        "nas_measurements",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("arch_id", sa.String(64), nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("metric_version", sa.Integer, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("iqr", sa.Float),
        sa.Column("n", sa.Integer),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("conditions", sa.Text, nullable=False),
        sa.Column("reference_ratio", sa.Float),
        sa.Column("environment", sa.String(16)),
        sa.Column("seconds", sa.Float),
        sa.Column("seed", sa.BigInteger),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    op.create_index("nas_measurements_key", "nas_measurements", ["key", "outcome"])
    op.create_table(
        "nas_samples",
        sa.Column("measurement_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "nas_environments",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("environment", sa.Text, nullable=False),
    )
    op.create_table(
        "nas_trial_measurements",
        sa.Column("study_uuid", sa.String(32), primary_key=True),
        sa.Column("trial", sa.Integer, primary_key=True),
        sa.Column("column", sa.String(64), primary_key=True),
        sa.Column("measurement_id", sa.Integer, nullable=False),
        sa.Column("reused", sa.Boolean, nullable=False),
    )
    op.create_index("nas_trial_measurements_measurement", "nas_trial_measurements", ["measurement_id"])
    op.execute(FORGET_STUDY)


def downgrade() -> None:
    """Back to a database of Optuna's alone."""
    op.execute("DROP TRIGGER nas_forget_study")
    for table in ("trial_measurements", "environments", "samples", "measurements", "trials", "columns", "studies"):
        op.drop_table(f"nas_{table}")
