"""Optuna's tables as far as we read and write them, described without importing Optuna.

Enumerations are stored by their names. A test holds this equal to Optuna's own models.
"""

from __future__ import annotations

from sqlalchemy import DateTime, column, table

KNOWN_SCHEMA = "v3.2.0.a"
"""The revision of Optuna's schema that these tables describe."""

NAMES = frozenset({"studies", "study_directions", "trials", "trial_params", "trial_values", "version_info"})
"""Tables by which a database of Optuna's is known: all of them, for others have studies and trials too."""

UUID_KEY = "nas:uuid"
"""The study's user attribute that holds our UUID."""

METRIC_NAMES_KEY = "study:metric_names"
"""The study's system attribute that `Study.set_metric_names` writes and dashboards read."""

CONSTRAINT_KEY = "constraints"
"""What the system attributes begin with that `Trial.set_constraint` writes; ":" and the constraint's name follow."""

studies = table("studies", column("study_id"), column("study_name"))
study_directions = table("study_directions", column("study_id"), column("objective"), column("direction"))
study_user_attributes = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))
study_system_attributes = table("study_system_attributes", column("study_id"), column("key"), column("value_json"))
trials = table(
    "trials",
    column("trial_id"),
    column("number"),
    column("study_id"),
    column("state"),
    column("datetime_start", DateTime),  # naive, UTC
    column("datetime_complete", DateTime),
)
trial_params = table(
    "trial_params",
    column("param_id"),
    column("trial_id"),
    column("param_name"),
    column("param_value"),
    column("distribution_json"),
)
trial_values = table("trial_values", column("trial_id"), column("objective"), column("value"), column("value_type"))
trial_user_attributes = table("trial_user_attributes", column("trial_id"), column("key"), column("value_json"))
trial_system_attributes = table("trial_system_attributes", column("trial_id"), column("key"), column("value_json"))
trial_intermediate_values = table(
    "trial_intermediate_values",
    column("trial_id"),
    column("step"),
    column("intermediate_value"),
    column("intermediate_value_type"),
)

ALL = (
    studies,
    study_directions,
    study_user_attributes,
    study_system_attributes,
    trials,
    trial_params,
    trial_values,
    trial_user_attributes,
    trial_system_attributes,
    trial_intermediate_values,
)
