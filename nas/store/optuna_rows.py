"""Writes studies and trials into Optuna's own tables, a whole one in a handful of statements.

Stock Optuna asks and writes once for each parameter and attribute. What is written here is the same, row by row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, TableClause, bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from nas.store import optuna_tables as tables

_TRIAL = tables.trials.c
_STUDY = select(tables.studies.c.study_id).where(tables.studies.c.study_id == bindparam("study"))
_LAST = (
    select(_TRIAL.number).where(_TRIAL.study_id == bindparam("study")).order_by(_TRIAL.trial_id.desc()).limit(1)
)
_BEGIN = insert(tables.trials).returning(_TRIAL.trial_id)
_FOUND = select(_TRIAL.trial_id, _TRIAL.state).where(
    _TRIAL.study_id == bindparam("study"), _TRIAL.number == bindparam("trial")
)
_CONSTRAIN = insert_or_ignore(tables.trial_system_attributes).on_conflict_do_nothing()
_END = update(tables.trials).where(_TRIAL.trial_id == bindparam("trial"))
_INSERT = {table: insert(table) for table in tables.ALL}

Known = dict[str, str]
"""Parameter -> the distribution that it was last seen with in a study, as JSON."""


def insert_study(
    connection: Connection,
    name: str,
    directions: Sequence[str],
    user_attrs: Mapping[str, object],
    system_attrs: Mapping[str, object],
) -> int:
    """A study of Optuna's, with its id. `directions` are "minimize" or "maximize"."""
    study_id: int = connection.execute(
        insert(tables.studies).values(study_name=name).returning(tables.studies.c.study_id)
    ).scalar_one()
    _insert(connection, tables.study_directions, [
        {"study_id": study_id, "objective": objective, "direction": direction.upper()}
        for objective, direction in enumerate(directions)
    ])
    for table, attributes in (
        (tables.study_user_attributes, user_attrs),
        (tables.study_system_attributes, system_attrs),
    ):
        _insert(connection, table, [
            {"study_id": study_id, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()
        ])
    return study_id


def insert_trial(
    connection: Connection, study_id: int, template: FrozenTrial | None, known: Known
) -> tuple[int, int]:
    """A trial like `template`, or an empty running one: its id and its number.

    Raises:
        KeyError: there is no such study.
        ValueError: a parameter had another kind of distribution in this study.
    """
    if not connection.execute(_STUDY, {"study": study_id}).first():
        raise KeyError(f"no study has the id {study_id}")
    last = connection.execute(_LAST, {"study": study_id}).scalar()
    number = 0 if last is None else int(last) + 1
    row = {
        "study_id": study_id,
        "number": number,
        "state": (template.state if template else TrialState.RUNNING).name,
        "datetime_start": _utc(template.datetime_start if template else datetime.now()),
        "datetime_complete": _utc(template.datetime_complete if template else None),
    }
    trial_id: int = connection.execute(_BEGIN, row).scalar_one()
    if template:
        _insert_contents(connection, study_id, trial_id, template, known)
    return trial_id, number


def finish_trial(
    connection: Connection,
    study_id: int,
    number: int,
    state: TrialState,
    values: Sequence[float] | None,
    constraints: Mapping[str, float],
) -> bool:
    """Ends a running trial; False, and nothing is written, where it does not run any more. Of constraints that it has
    already, the first value stays, as in Optuna.

    Raises:
        KeyError: the study has no such trial.
    """
    found = connection.execute(_FOUND, {"study": study_id, "trial": number}).first()
    if found is None:
        raise KeyError(f"no trial {number} in the study of the id {study_id}")
    trial_id, now = found
    if now != TrialState.RUNNING.name:
        return False
    if constraints:
        connection.execute(_CONSTRAIN, [
            {"trial_id": trial_id, "key": f"{tables.CONSTRAINT_KEY}:{name}", "value_json": json.dumps(value)}
            for name, value in constraints.items()
        ])
    _insert_values(connection, trial_id, values)
    connection.execute(_END, {"trial": trial_id, "state": state.name, "datetime_complete": _utc(datetime.now())})
    return True


def _insert_contents(
    connection: Connection, study_id: int, trial_id: int, template: FrozenTrial, known: Known
) -> None:
    params = []
    for name, value in template.params.items():
        distribution = template.distributions[name]
        text = distribution_to_json(distribution)
        if known.get(name) != text:
            _check_compatible(connection, study_id, name, distribution)
            known[name] = text
        params.append({
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(value),
            "distribution_json": text,
        })
    _insert(connection, tables.trial_params, params)
    for table, attributes in (
        (tables.trial_user_attributes, template.user_attrs),
        (tables.trial_system_attributes, template.system_attrs),
    ):
        _insert(connection, table, [
            {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()
        ])
    _insert_values(connection, trial_id, template.values)
    _insert(connection, tables.trial_intermediate_values, [
        {"trial_id": trial_id, "step": step, **_number(value, "intermediate_value", "intermediate_value_type")}
        for step, value in template.intermediate_values.items()
    ])


def _insert_values(connection: Connection, trial_id: int, values: Sequence[float] | None) -> None:
    _insert(connection, tables.trial_values, [
        {"trial_id": trial_id, "objective": objective, **_number(value, "value", "value_type")}
        for objective, value in enumerate(values or ())
    ])


def _insert(connection: Connection, table: TableClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_INSERT[table], rows)


def _check_compatible(connection: Connection, study_id: int, name: str, distribution: BaseDistribution) -> None:
    params, trials = tables.trial_params.c, tables.trials.c
    previous = connection.execute(
        select(params.distribution_json)
        .join_from(tables.trials, tables.trial_params, params.trial_id == trials.trial_id)
        .where(trials.study_id == study_id, params.param_name == name)
        .limit(1)
    ).scalar()
    if previous is not None:
        check_distribution_compatibility(json_to_distribution(previous), distribution)


def _number(value: float, column: str, kind: str) -> dict[str, object]:
    """A number as Optuna stores it: the infinities and NaN by name."""
    if math.isnan(value):
        return {column: None, kind: "NAN"}
    if math.isinf(value):
        return {column: None, kind: "INF_POS" if value > 0 else "INF_NEG"}
    return {column: value, kind: "FINITE"}


def _utc(moment: datetime | None) -> datetime | None:
    """Optuna's trials hold naive local time, its tables naive UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None
