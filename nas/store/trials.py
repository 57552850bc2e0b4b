"""Our rows of trials: begun, ended, and read back as a search needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, select, update

from nas.errors import StoreError
from nas.outcomes import COST_COLUMNS, NOT_ITS_FAULT, OUTCOMES
from nas.store import optuna_tables as optuna
from nas.store import tables
from nas.store.owner import Owner
from nas.store.rows import StudyRow, TrialEnd, TrialRecord, TrialStart

COUNTED = tuple(outcome for outcome in OUTCOMES if outcome not in NOT_ITS_FAULT)
"""Outcomes of trials that count towards a study's total."""

RUNNING = "RUNNING"


def insert_start(connection: Connection, study: StudyRow, number: int, start: TrialStart, owner: Owner) -> None:
    """Our row of a trial that Optuna has just been given."""
    connection.execute(insert(tables.trials).values(
        study_uuid=study.uuid,
        number=number,
        arch_id=start.arch_id,
        arch=start.arch,
        params=start.params,
        macs=start.macs,
        flops=start.flops,
        activations=start.activations,
        receptive_field=start.receptive_field,
        output_stride=start.output_stride,
        global_ops=list(start.global_ops),
        unsupported_ops=list(start.unsupported_ops),
        sampler=start.sampler,
        rejected=start.rejected,
        retry_of=start.retry_of,
        owner_host=owner.host,
        owner_boot=owner.boot,
        owner_namespace=owner.namespace,
        owner_pid=owner.pid,
        owner_started=owner.started,
    ))


def is_tried(connection: Connection, study: StudyRow, arch_id: str) -> bool:
    """Whether a trial of this network is running, or has ended such that the network is not tried again."""
    ours = tables.trials.c
    counts_or_runs = ours.outcome.is_(None) | ours.outcome.in_(COUNTED)
    found = select(ours.number).where(ours.study_uuid == study.uuid, ours.arch_id == arch_id, counts_or_runs)
    return connection.execute(found.limit(1)).first() is not None


def write_end(
    connection: Connection, study: StudyRow, number: int, end: TrialEnd, measurements: Mapping[str, int]
) -> None:
    """How a trial ended; written once more, it replaces what was written before."""
    if end.outcome not in OUTCOMES:
        raise StoreError(f"'{end.outcome}' is no outcome; there are {', '.join(OUTCOMES)}")
    ours, theirs = tables.trials.c, optuna.trials.c
    exists = connection.execute(
        select(theirs.trial_id).where(theirs.study_id == study.optuna_id, theirs.number == number)
    ).first()
    if not exists:
        raise StoreError(f"study '{study.name}' has no trial {number}")
    values = {
        "outcome": end.outcome,
        "message": end.message,
        "feasible": end.feasible,
        "duration_s": end.duration_s,
        "seconds": end.seconds,
    }
    written = connection.execute(
        update(tables.trials).where(ours.study_uuid == study.uuid, ours.number == number).values(values)
    )
    if not written.rowcount:  # a trial that someone else began in Optuna
        connection.execute(insert(tables.trials).values(study_uuid=study.uuid, number=number, **values))
    link = tables.trial_measurements.c
    connection.execute(delete(tables.trial_measurements).where(link.study_uuid == study.uuid, link.trial == number))
    if measurements:
        linked = _linked(connection, set(measurements.values()))
        connection.execute(insert(tables.trial_measurements), [
            {"study_uuid": study.uuid, "trial": number, "column": column, "measurement_id": measurement,
             "reused": measurement in linked}
            for column, measurement in measurements.items()
        ])


def _linked(connection: Connection, measurements: Collection[int]) -> set[int]:
    """Those of the measurements that a trial has already."""
    link = tables.trial_measurements.c
    rows = connection.execute(select(link.measurement_id).distinct().where(link.measurement_id.in_(measurements)))
    return {row[0] for row in rows}


def orphans(connection: Connection, study: StudyRow, here: Owner, *, own: bool) -> list[int]:
    """Running trials whose process is gone, or that no process of ours began; with `own`, those of `here` as well."""
    found = _running(connection, study)
    return [number for number, owner in found if owner is None or owner.is_gone(here) or (own and owner == here)]


def elsewhere(connection: Connection, study: StudyRow, here: Owner) -> int:
    """How many trials other processes run at this moment, as far as that is certain."""
    return sum(owner is not None and owner != here and owner.lives(here) for _, owner in _running(connection, study))


def _running(connection: Connection, study: StudyRow) -> list[tuple[int, Owner | None]]:
    """Each running trial's number and process, None where no process of ours began it."""
    rows = connection.execute(_with_ours(study).where(optuna.trials.c.state == RUNNING)).mappings()
    parts = ("owner_host", "owner_boot", "owner_namespace", "owner_pid", "owner_started")
    return [(row["trial"], None if row["owner_pid"] is None else Owner(*(row[part] for part in parts))) for row in rows]


def is_wanted(connection: Connection, study: StudyRow, arch_id: str, total: int, here: Owner) -> bool:
    """Whether the study still needs a trial of this network to come to `total` counted trials."""
    if is_tried(connection, study, arch_id):
        return False
    return count_finished(connection, study) + elsewhere(connection, study, here) < total


def _with_ours(study: StudyRow) -> Select[Any]:
    """Optuna's trials of a study, in order, each with our row where there is one."""
    theirs, ours = optuna.trials.c, tables.trials.c
    return (
        select(theirs.number.label("trial"), theirs.state, tables.trials)
        .select_from(optuna.trials)
        .outerjoin(tables.trials, and_(ours.study_uuid == study.uuid, ours.number == theirs.number))
        .where(theirs.study_id == study.optuna_id)
        .order_by(theirs.number)
    )


def count_finished(connection: Connection, study: StudyRow) -> int:
    """Trials that count towards the study's total, finished in Optuna too."""
    theirs, ours = optuna.trials.c, tables.trials.c
    counted: int = connection.execute(
        select(func.count())
        .select_from(optuna.trials)
        .join(tables.trials, and_(ours.study_uuid == study.uuid, ours.number == theirs.number))
        .where(theirs.study_id == study.optuna_id, theirs.state != RUNNING, ours.outcome.in_(COUNTED))
    ).scalar_one()
    return counted


def records(connection: Connection, study: StudyRow, after: int) -> list[TrialRecord]:
    """Every trial of the study with a number above `after`, in order."""
    link, measurement = tables.trial_measurements.c, tables.measurements.c
    measured: dict[int, dict[str, float]] = {}
    values = connection.execute(
        select(link.trial, link.column, measurement.value)
        .join_from(tables.trial_measurements, tables.measurements, measurement.id == link.measurement_id)
        .where(link.study_uuid == study.uuid, link.trial > after, measurement.value.is_not(None))
    )
    for trial, column, value in values:
        measured.setdefault(trial, {})[column] = value
    rows = connection.execute(_with_ours(study).where(optuna.trials.c.number > after)).mappings()
    return [
        TrialRecord(
            number=row["trial"],
            state=row["state"],
            arch_id=row["arch_id"],
            outcome=row["outcome"],
            retry_of=row["retry_of"],
            sampler=row["sampler"] or "",
            feasible=bool(row["feasible"]),
            duration_s=row["duration_s"],
            values={name: row[name] for name in COST_COLUMNS if row[name] is not None}
            | measured.get(row["trial"], {}),
        )
        for row in rows
    ]
