"""Whole studies read for reports, in few statements: values as they lie in the database, no frame of any kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, and_, select

from nas.errors import StoreError
from nas.store import optuna_tables as optuna
from nas.store import tables
from nas.store.rows import StudyRow

Row = dict[str, Any]
Measured = tuple[float | str | None, ...]


def trial_rows(connection: Connection, study: StudyRow) -> list[Row]:
    """A row a trial in their order, with all of `nas_trials` (None where a trial is not ours), `trial`, `state`,
    `started`, `completed` (naive, UTC), and `measured`: column -> (value, low, high, fingerprint of the environment).
    """
    theirs, ours = optuna.trials.c, tables.trials.c
    rows = connection.execute(
        select(
            theirs.number.label("trial"),
            theirs.state,
            theirs.datetime_start.label("started"),
            theirs.datetime_complete.label("completed"),
            *(column for column in ours if column.name not in ("study_uuid", "number")),
        )
        .select_from(optuna.trials)
        .outerjoin(tables.trials, and_(ours.study_uuid == study.uuid, ours.number == theirs.number))
        .where(theirs.study_id == study.optuna_id)
        .order_by(theirs.number)
    )
    names = list(rows.keys())
    measured = _measured(connection, study)
    nothing: Mapping[str, Measured] = {}
    return [dict(zip(names, row, strict=True)) | {"measured": measured.get(row[0], nothing)} for row in rows]


def _measured(connection: Connection, study: StudyRow) -> dict[int, dict[str, Measured]]:
    link, of = tables.trial_measurements.c, tables.measurements.c
    found: dict[int, dict[str, Measured]] = {}
    for trial, column, *values in connection.execute(
        select(link.trial, link.column, of.value, of.low, of.high, of.environment)
        .join_from(tables.trial_measurements, tables.measurements, of.id == link.measurement_id)
        .where(link.study_uuid == study.uuid)
    ):
        found.setdefault(trial, {})[column] = tuple(values)
    return found


def measurement_rows(connection: Connection, study: StudyRow) -> list[Row]:
    """A row a trial and column, with all of `nas_measurements`, `trial`, `column` and `reused`."""
    link, of = tables.trial_measurements.c, tables.measurements.c
    rows = connection.execute(
        select(link.trial, link.column, link.reused, tables.measurements)
        .join_from(tables.trial_measurements, tables.measurements, of.id == link.measurement_id)
        .where(link.study_uuid == study.uuid)
        .order_by(link.trial, of.id)
    )
    return [dict(row) for row in rows.mappings()]


def environment_rows(connection: Connection, study: StudyRow) -> dict[str, Mapping[str, object]]:
    """Fingerprint -> environment, of those that the study's measurements and verifications were taken in."""
    link, of, environment = tables.trial_measurements.c, tables.measurements.c, tables.environments.c
    again = tables.verifications.c
    used = (
        select(of.environment)
        .join_from(tables.trial_measurements, tables.measurements, of.id == link.measurement_id)
        .where(link.study_uuid == study.uuid)
    ).union(select(again.environment).where(again.study_uuid == study.uuid))
    rows = connection.execute(
        select(tables.environments).where(environment.fingerprint.in_(used)).order_by(environment.fingerprint)
    )
    return {row.fingerprint: row.environment for row in rows}


def parameter_rows(connection: Connection, study: StudyRow) -> Iterator[tuple[int, str, Any]]:
    """(trial, parameter, value) of every suggested parameter, by trial and in the order of suggestion.

    Raises:
        StoreError: a parameter's distribution cannot be read.
    """
    trials, params = optuna.trials.c, optuna.trial_params.c
    found = connection.execute(
        select(trials.number, params.param_name, params.param_value, params.distribution_json)
        .join_from(optuna.trials, optuna.trial_params, params.trial_id == trials.trial_id)
        .where(trials.study_id == study.optuna_id)
        .order_by(trials.trial_id, params.param_id)
    )
    kinds: dict[str, Any] = {}
    for number, name, stored, text in found:
        kind = kinds.get(text)
        if kind is None:
            kind = kinds[text] = _kind(name, text)
        try:
            yield number, name, kind[int(stored)] if isinstance(kind, list) else kind(stored)
        except (IndexError, TypeError, ValueError):
            raise StoreError(f"trial {number}: parameter {name!r} cannot be {stored!r}: the database is damaged"
                             ) from None


def _kind(name: str, text: str) -> Any:
    """The choices of a categorical distribution of Optuna's, else the type of its values."""
    try:
        distribution = json.loads(text)
        kind: str = distribution["name"]
        if kind == "CategoricalDistribution":
            return list(distribution["attributes"]["choices"])
    except (TypeError, ValueError, KeyError):
        raise StoreError(f"parameter {name!r} has no distribution that can be read: the database is damaged") from None
    return int if kind.startswith("Int") else float
