"""Our tables, all named `nas_*`. The migrations create them; a test holds the two equal.

Rows are keyed by the study's UUID, not by Optuna's id, which Optuna gives to another study after a deletion. A trigger
of the database deletes them with their study, whoever deletes it. Measurements stay: they serve other studies.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

from nas.store.codec import CleanText, JsonText

metadata = MetaData()

studies = Table(
    "nas_studies",
    metadata,
    Column("uuid", String(32), primary_key=True),
    Column("optuna_id", Integer, nullable=False, unique=True),
    Column("name", CleanText, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("nas_version", String(64), nullable=False),
    Column("spec", JsonText, nullable=False),
    Column("registry", JsonText, nullable=False),
    Column("objectives", JsonText, nullable=False),
    Column("constraints", JsonText, nullable=False),
)

columns = Table(
    "nas_columns",
    metadata,
    Column("study_uuid", String(32), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("metric", CleanText, nullable=False),
    Column("unit", CleanText, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("source", CleanText, nullable=False),
    Column("role", String(16), nullable=False),
    Column("required", Boolean, nullable=False),
    Column("options", JsonText, nullable=False),
)

def _kept_once(name: str, column: str) -> Table:
    """What many rows share, by the fingerprint of its content."""
    return Table(name, metadata, Column("fingerprint", String(16), primary_key=True),
                 Column(column, JsonText, nullable=False))


trials = Table(
    "nas_trials",
    metadata,
    Column("study_uuid", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    # None where Optuna has a trial that we did not begin, and that was given an outcome afterwards
    Column("arch_id", String(64)),
    Column("arch", CleanText),
    Column("params", BigInteger),
    Column("macs", BigInteger),
    Column("flops", BigInteger),
    Column("activations", BigInteger),
    Column("receptive_field", CleanText),
    Column("output_stride", JsonText),
    Column("global_ops", JsonText),
    Column("unsupported_ops", JsonText),
    Column("sampler", CleanText),
    Column("rejected", Integer),
    Column("retry_of", Integer),
    Column("owner_host", CleanText),
    Column("owner_boot", String(64)),
    Column("owner_namespace", String(64)),
    Column("owner_pid", Integer),
    Column("owner_started", String(32)),
    Column("outcome", String(32)),
    Column("message", CleanText),
    Column("feasible", Boolean),
    Column("duration_s", Float),
    Column("seconds", JsonText),
)

measurements = Table(
    "nas_measurements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(128), nullable=False),
    Column("arch_id", String(64), nullable=False),
    Column("metric", CleanText, nullable=False),
    Column("metric_version", Integer, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("iqr", Float),
    Column("n", Integer),
    Column("unit", CleanText, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("message", CleanText, nullable=False),
    Column("conditions", JsonText, nullable=False),
    Column("reference_ratio", Float),
    Column("environment", String(16)),
    Column("seconds", Float),
    Column("seed", BigInteger),
    Column("created_at", String(40), nullable=False),
    Column("setting", String(16)),  # the conditions that a column shares; None where they are all in the row
    Index("nas_measurements_key", "key", "outcome"),
)

settings = _kept_once("nas_settings", "setting")

costs = Table(
    "nas_costs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", CleanText, nullable=False),
    Column("cost", JsonText, nullable=False),
    Index("nas_costs_key", "key", unique=True),
)

samples = Table(
    "nas_samples",
    metadata,
    Column("measurement_id", Integer, primary_key=True),
    Column("name", String(128), primary_key=True),  # "" for the samples themselves, else the condition's name
    Column("n", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # see nas.store.samples
)

environments = _kept_once("nas_environments", "environment")

trial_measurements = Table(
    "nas_trial_measurements",
    metadata,
    Column("study_uuid", String(32), primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("column", String(64), primary_key=True),
    Column("measurement_id", Integer, nullable=False),
    Column("reused", Boolean, nullable=False),
    Index("nas_trial_measurements_measurement", "measurement_id"),
)

verifications = Table(
    "nas_verifications",
    metadata,
    Column("study_uuid", String(32), primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("column", String(64), primary_key=True),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("processes", JsonText, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("message", CleanText, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("environment", String(16)),
)
