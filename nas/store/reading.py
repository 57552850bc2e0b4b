"""Whole studies read for reports, in few statements: values as they lie in the database, no frame of any kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, func, select

from nas.errors import StoreError
from nas.store import optuna_tables as optuna
from nas.store import tables
from nas.store.measurements import whole_conditions
from nas.store.rows import StudyRow

Row = dict[str, Any]
Measured = tuple[float | str | None, ...]


class Parameter(NamedTuple):
    """A suggested parameter: the numbers of the trials that have it, and its value in each of them."""

    trials: list[int]
    values: list[Any]


def trial_rows(connection: Connection, study: StudyRow) -> list[Row]:
    """A row a trial in their order, with all of `nas_trials` (None where a trial is not ours), `trial`, `state`,
    `started`, `completed` (naive, UTC), and `measured`: column -> (value, low, high, fingerprint of the environment,
    what the metric said of a value, "" where it said nothing or there is none).
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
        select(link.trial, link.column, of.value, of.low, of.high, of.environment,
               case((of.outcome == "ok", of.message), else_=""))
        .join_from(tables.trial_measurements, tables.measurements, of.id == link.measurement_id)
        .where(link.study_uuid == study.uuid)
    ):
        found.setdefault(trial, {})[column] = tuple(values)
    return found


def measurement_rows(connection: Connection, study: StudyRow) -> list[Row]:
    """A row a trial and column, with all of `nas_measurements`, `trial`, `column` and `reused`."""
    link, of = tables.trial_measurements.c, tables.measurements.c
    rows = connection.execute(
        select(link.trial, link.column, link.reused, tables.measurements, tables.settings.c.setting.label("shared"))
        .join_from(tables.trial_measurements, tables.measurements, of.id == link.measurement_id)
        .join(tables.settings, tables.settings.c.fingerprint == of.setting, isouter=True)
        .where(link.study_uuid == study.uuid)
        .order_by(link.trial, of.id)
    )
    read = []
    for row in rows.mappings():
        values = dict(row)
        values.pop("setting")
        values["conditions"] = whole_conditions(values)
        values.pop("shared")
        read.append(values)
    return read


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


def parameters(connection: Connection, study: StudyRow) -> dict[str, Parameter]:
    """Every suggested parameter, in the order of suggestion.

    SQLite puts the parameters of a trial into one row: one row a parameter, with its distribution, would cost four
    times as much at 40 parameters.

    Raises:
        StoreError: a parameter's value or distribution cannot be read.
    """
    kinds = _kinds(connection, study)
    trials, params = optuna.trials.c, optuna.trial_params.c
    found = connection.execute(
        select(
            trials.trial_id, trials.number, func.json_group_array(params.param_name),
            func.group_concat(func.quote(params.param_value)),  # quoted, it is read back to the last bit
        )
        .join_from(optuna.trials, optuna.trial_params, params.trial_id == trials.trial_id)
        .where(trials.study_id == study.optuna_id)
        .group_by(trials.trial_id)
        .order_by(trials.trial_id)
    )
    alike: dict[str, tuple[int, list[int], list[list[str]]]] = {}  # trials by the names of their parameters
    for trial_id, number, names, values in found:
        _, numbers, rows = alike.setdefault(names, (trial_id, [], []))
        numbers.append(number)
        rows.append(values.split(","))
    read: dict[str, Parameter] = {}
    for names, (first, numbers, rows) in alike.items():
        stored = _transposed(json.loads(names), rows, numbers)
        for name in _suggested(connection, first):
            there = read.setdefault(name, Parameter([], []))
            there.trials.extend(numbers)
            there.values.extend(_decoded(name, kinds[name], stored[name], numbers))
    return read


def _kinds(connection: Connection, study: StudyRow) -> dict[str, Any]:
    trials, params = optuna.trials.c, optuna.trial_params.c
    found = connection.execute(
        select(params.param_name, params.distribution_json)
        .distinct()
        .join_from(optuna.trials, optuna.trial_params, params.trial_id == trials.trial_id)
        .where(trials.study_id == study.optuna_id)
    )
    kinds: dict[str, Any] = {}
    for name, text in found:
        kind = _kind(name, text)
        if kinds.setdefault(name, kind) != kind:
            raise StoreError(f"parameter {name!r} has distributions of several kinds: the database is damaged")
    return kinds


def _suggested(connection: Connection, trial_id: int) -> list[str]:
    """The names of a trial's parameters in their order."""
    params = optuna.trial_params.c
    of_trial = select(params.param_name).where(params.trial_id == trial_id).order_by(params.param_id)
    return list(connection.execute(of_trial).scalars())


def _transposed(names: list[str], rows: list[list[str]], numbers: Sequence[int]) -> dict[str, tuple[str, ...]]:
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != len(names):  # a text with a comma
            raise StoreError(f"trial {number}: a parameter is no number: the database is damaged")
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _decoded(name: str, kind: Any, stored: Sequence[str], numbers: Sequence[int]) -> list[Any]:
    values: dict[str, Any] = {}
    for text, number in zip(stored, numbers, strict=True):
        if text not in values:
            try:
                values[text] = kind[int(float(text))] if isinstance(kind, list) else kind(float(text))
            except (IndexError, ValueError, OverflowError):
                raise StoreError(f"trial {number}: parameter {name!r} cannot be {text}: the database is damaged"
                                 ) from None
    return [values[text] for text in stored]


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
