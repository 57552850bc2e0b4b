"""Our rows of trials: begun, ended, and read back as a search needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from nas.errors import StoreError
from nas.outcomes import COST_COLUMNS, NOT_ITS_FAULT, OUTCOMES
from nas.store import optuna_tables as optuna
from nas.store import tables
from nas.store.owner import Owner
from nas.store.rows import WARM_START, StudyRow, TrialEnd, TrialRecord, TrialStart

COUNTED = tuple(outcome for outcome in OUTCOMES if outcome not in NOT_ITS_FAULT)
"""Outcomes of trials that count towards a study's total, where they were not carried over."""

RUNNING = "RUNNING"


_OURS, _THEIRS = tables.trials.c, optuna.trials.c

_OF_STUDY = (
    select(_THEIRS.number.label("trial"), _THEIRS.state, tables.trials)
    .select_from(optuna.trials)
    .outerjoin(tables.trials, and_(_OURS.study_uuid == bindparam("uuid"), _OURS.number == _THEIRS.number))
    .where(_THEIRS.study_id == bindparam("optuna_id"))
    .order_by(_THEIRS.number)
)
"""Optuna's trials of a study, in order, each with our row where there is one. Statements are made once: SQLAlchemy
takes as long to make one as SQLite to answer it."""
_RUNNING_ONES = _OF_STUDY.where(_THEIRS.state == RUNNING)
_AFTER = _OF_STUDY.where(_THEIRS.number > bindparam("after"))
_FINISHED = (
    select(func.count())
    .select_from(optuna.trials)
    .join(tables.trials, and_(_OURS.study_uuid == bindparam("uuid"), _OURS.number == _THEIRS.number))
    .where(_THEIRS.study_id == bindparam("optuna_id"), _THEIRS.state != RUNNING, _OURS.outcome.in_(COUNTED),
           _OURS.sampler.is_distinct_from(WARM_START))
)
_TRIED = (
    select(_OURS.number)
    .where(_OURS.study_uuid == bindparam("uuid"), _OURS.arch_id == bindparam("arch_id"),
           _OURS.outcome.is_(None) | _OURS.outcome.in_(COUNTED))
    .limit(1)
)
_VALUES_AFTER = (
    select(tables.trial_measurements.c.trial, tables.trial_measurements.c.column, tables.measurements.c.value)
    .join_from(tables.trial_measurements, tables.measurements,
               tables.measurements.c.id == tables.trial_measurements.c.measurement_id)
    .where(tables.trial_measurements.c.study_uuid == bindparam("uuid"),
           tables.trial_measurements.c.trial > bindparam("after"), tables.measurements.c.value.is_not(None))
)
_EXISTS = select(_THEIRS.trial_id).where(
    _THEIRS.study_id == bindparam("optuna_id"), _THEIRS.number == bindparam("trial")
)
_END = update(tables.trials).where(_OURS.study_uuid == bindparam("uuid"), _OURS.number == bindparam("trial"))
_UNLINK = delete(tables.trial_measurements).where(
    tables.trial_measurements.c.study_uuid == bindparam("uuid"),
    tables.trial_measurements.c.trial == bindparam("of_trial"),
)


def _of(study: StudyRow, **more: object) -> dict[str, object]:
    return {"uuid": study.uuid, "optuna_id": study.optuna_id, **more}


@dataclass(frozen=True)
class Standing:
    """How far a study is at one moment.

    Attributes:
        finished: trials that count towards its total.
        running: the trials that are not finished in Optuna, each with its process, None where none of ours began it.
        here: this process.
    """

    finished: int
    running: tuple[tuple[int, Owner | None], ...]
    here: Owner

    def orphans(self, *, own: bool = False) -> list[int]:
        """Running trials whose process is gone, or that no process of ours began. Only a process of this host can be
        known to be gone. `own` counts this very process among those that are: it alone knows whether it still runs
        what it began.
        """
        return [number for number, owner in self.running
                if owner is None or owner.is_gone(self.here) or (own and owner == self.here)]

    @property
    def elsewhere(self) -> int:
        """How many trials other processes run; only one of this host is known to live."""
        return sum(owner is not None and owner != self.here and owner.lives(self.here) for _, owner in self.running)


def standing(connection: Connection, study: StudyRow, here: Owner) -> Standing:
    """How far the study is, seen from this process."""
    finished: int = connection.execute(_FINISHED, _of(study)).scalar_one()
    rows = connection.execute(_RUNNING_ONES, _of(study)).mappings()
    parts = ("owner_host", "owner_boot", "owner_namespace", "owner_pid", "owner_started")
    running = tuple(
        (row["trial"], None if row["owner_pid"] is None else Owner(*(row[part] for part in parts))) for row in rows
    )
    return Standing(finished, running, here)


def insert_start(connection: Connection, study: StudyRow, number: int, start: TrialStart, owner: Owner) -> None:
    """Our row of a trial that Optuna has just been given."""
    connection.execute(insert(tables.trials), {
        "study_uuid": study.uuid,
        "number": number,
        "arch_id": start.arch_id,
        "arch": start.arch,
        "params": start.params,
        "macs": start.macs,
        "flops": start.flops,
        "activations": start.activations,
        "receptive_field": start.receptive_field,
        "output_stride": start.output_stride,
        "global_ops": list(start.global_ops),
        "unsupported_ops": list(start.unsupported_ops),
        "sampler": start.sampler,
        "rejected": start.rejected,
        "retry_of": start.retry_of,
        "owner_host": owner.host,
        "owner_boot": owner.boot,
        "owner_namespace": owner.namespace,
        "owner_pid": owner.pid,
        "owner_started": owner.started,
    })


def write_end(
    connection: Connection, study: StudyRow, number: int, end: TrialEnd, measurements: Mapping[str, int]
) -> None:
    """How a trial ended; written once more, it replaces what was written before."""
    if end.outcome not in OUTCOMES:
        raise StoreError(f"'{end.outcome}' is no outcome; there are {', '.join(OUTCOMES)}")
    if not connection.execute(_EXISTS, _of(study, trial=number)).first():
        raise StoreError(f"study '{study.name}' has no trial {number}")
    values = {
        "outcome": end.outcome,
        "message": end.message,
        "feasible": end.feasible,
        "duration_s": end.duration_s,
        "seconds": end.seconds,
    }
    written = connection.execute(_END, {"uuid": study.uuid, "trial": number, **values})
    if not written.rowcount:  # a trial that someone else began in Optuna
        connection.execute(insert(tables.trials), {"study_uuid": study.uuid, "number": number, **values})
    connection.execute(_UNLINK, {"uuid": study.uuid, "of_trial": number})
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


def is_wanted(connection: Connection, study: StudyRow, arch_id: str, total: int, here: Owner) -> bool:
    """Whether the study still needs a trial of this network to come to `total` counted trials: none of it is running,
    or has ended such that the network is not tried again.
    """
    if connection.execute(_TRIED, {"uuid": study.uuid, "arch_id": arch_id}).first() is not None:
        return False
    now = standing(connection, study, here)
    return now.finished + now.elsewhere < total


def records(connection: Connection, study: StudyRow, after: int) -> list[TrialRecord]:
    """Every trial of the study with a number above `after`, in order."""
    measured: dict[int, dict[str, float]] = {}
    for trial, column, value in connection.execute(_VALUES_AFTER, {"uuid": study.uuid, "after": after}):
        measured.setdefault(trial, {})[column] = value
    rows = connection.execute(_AFTER, _of(study, after=after)).mappings()
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
