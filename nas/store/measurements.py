"""Measurements: kept once, whatever study asked for them, and found again by their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from sqlalchemy import Connection, Table, and_, bindparam, func, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from nas.plain import fingerprint, plain
from nas.store import tables
from nas.store.rows import Comparable, Measurement
from nas.store.samples import pack, unpack

SERIES = 16
"""A condition that is a list of at least so many numbers is kept as samples are: compressed, as float32."""


RATIO = "reference_ratio"
"""The condition that is kept in a column of this name."""

_OF, _MACHINE, _SETTING = tables.measurements.c, tables.environments.c, tables.settings.c
_ADD = insert(tables.measurements).returning(_OF.id)
_FIND = (
    select(tables.measurements, _MACHINE.environment.label("machine"), _SETTING.setting.label("shared"))
    .join_from(tables.measurements, tables.environments, _MACHINE.fingerprint == _OF.environment, isouter=True)
    .join(tables.settings, _SETTING.fingerprint == _OF.setting, isouter=True)
    .where(_OF.key == bindparam("wanted"), _OF.outcome == "ok")
    .order_by(_OF.id)
    .limit(1)
)


def add(connection: Connection, measurement: Measurement) -> int:
    """Its id."""
    series, conditions = {"": list(measurement.samples)} if measurement.samples else {}, {}
    setting = _kept_together(measurement.setting)
    for name, value in measurement.conditions.items():
        if _is_series(value):
            series[name] = list(value)
        elif name == RATIO and value == measurement.reference_ratio:
            continue  # it has a column of its own
        elif name not in setting or plain(setting[name]) != plain(value):
            conditions[name] = value
    measurement_id: int = connection.execute(_ADD, {
        "key": measurement.key,
        "arch_id": measurement.arch_id,
        "metric": measurement.metric,
        "metric_version": measurement.metric_version,
        "value": measurement.value,
        "low": measurement.low,
        "high": measurement.high,
        "iqr": measurement.iqr,
        "n": len(measurement.samples) or None if measurement.n is None else measurement.n,
        "unit": measurement.unit,
        "outcome": measurement.outcome,
        "message": measurement.message,
        "conditions": conditions,
        "reference_ratio": measurement.reference_ratio,
        "environment": keep_environment(connection, measurement.environment),
        "seconds": measurement.seconds,
        "seed": measurement.seed,
        "setting": _keep(connection, tables.settings, "setting", setting) if setting else None,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }).scalar_one()
    if series:
        connection.execute(insert(tables.samples), [
            {"measurement_id": measurement_id, "name": name, "n": len(values), "data": pack(values)}
            for name, values in series.items()
        ])
    return measurement_id


def find(connection: Connection, key: str) -> tuple[int, Measurement] | None:
    """The first successful measurement of this key, with its id."""
    row = connection.execute(_FIND, {"wanted": key}).mappings().first()
    if row is None:
        return None
    series = read_samples(connection, row["id"])
    samples = series.pop("", [])
    return row["id"], Measurement(
        key=row["key"],
        arch_id=row["arch_id"],
        metric=row["metric"],
        metric_version=row["metric_version"],
        unit=row["unit"],
        outcome=row["outcome"],
        value=row["value"],
        low=row["low"],
        high=row["high"],
        iqr=row["iqr"],
        n=row["n"],
        message=row["message"],
        conditions=whole_conditions(dict(row)) | series,
        setting=row["shared"] or {},
        reference_ratio=row["reference_ratio"],
        environment=row["machine"],
        seconds=row["seconds"],
        samples=samples,
        seed=row["seed"],
    )


def comparable(
    connection: Connection, metric: str, version: int, setting: Mapping[str, object]
) -> list[Comparable]:
    """The successful measurements of a metric under one column's setting, of whatever study, in the order in which they
    were kept; those that no trial has any more are left out, since nobody knows their networks.
    """
    link, trial = tables.trial_measurements.c, tables.trials.c
    shared = fingerprint(kept) if (kept := _kept_together(setting)) else None
    rows = connection.execute(
        select(_OF.id, _OF.key, _OF.arch_id, func.min(trial.arch), _OF.value, _OF.environment)
        .join_from(tables.measurements, tables.trial_measurements, link.measurement_id == _OF.id)
        .join(tables.trials, and_(trial.study_uuid == link.study_uuid, trial.number == link.trial))
        .where(_OF.metric == metric, _OF.metric_version == version, _OF.outcome == "ok", _OF.value.is_not(None),
               _OF.setting.is_(None) if shared is None else _OF.setting == shared, trial.arch.is_not(None))
        .group_by(_OF.id)
        .order_by(_OF.id)
    )
    return [Comparable(*row) for row in rows]


def newest(connection: Connection) -> int:
    """The id of the last measurement, 0 where there is none."""
    return connection.execute(select(func.max(_OF.id))).scalar() or 0


def _kept_together(setting: Mapping[str, object]) -> dict[str, object]:
    """What of a column's setting is kept once for all of its measurements."""
    return {name: value for name, value in setting.items() if not _is_series(value)}


def whole_conditions(row: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept once for a column, what a measurement has of its own, and its ratio to the reference."""
    ratio = {} if row[RATIO] is None else {RATIO: row[RATIO]}
    return {**(row["shared"] or {}), **row["conditions"], **ratio}


def read_samples(connection: Connection, measurement_id: int) -> dict[str, list[float]]:
    """A measurement's series by name, the raw samples under ""."""
    of = tables.samples.c
    rows = connection.execute(select(of.name, of.n, of.data).where(of.measurement_id == measurement_id))
    return {name: unpack(data, n) for name, n, data in rows}


def keep_environment(connection: Connection, environment: Mapping[str, object] | None) -> str | None:
    """The fingerprint of an environment, which is kept where it is new."""
    return None if environment is None else _keep(connection, tables.environments, "environment", environment)


def _keep(connection: Connection, table: Table, column: str, facts: Mapping[str, object]) -> str:
    """The fingerprint of `facts`, which are kept in the table's column where they are new."""
    told = fingerprint(facts)
    connection.execute(insert_or_ignore(table).on_conflict_do_nothing(), {"fingerprint": told, column: plain(facts)})
    return told


def _is_series(value: object) -> TypeGuard[Sequence[float]]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) < SERIES:
        return False
    items: Sequence[Any] = value
    return all(isinstance(item, float) for item in items)
