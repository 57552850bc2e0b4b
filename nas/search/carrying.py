"""`[study] warm_start`: the finished trials of an older study, carried over into a new one.

A trial is carried over where its network lies in the new space and keeps the free constraints, and where everything
that the new study would measure of it was measured under the same conditions. It becomes a trial that the new study
would have made of it, with the same measurements behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from optuna.trial import TrialState, create_trial

from nas.arch import Architecture
from nas.errors import NasError, StoreError
from nas.outcomes import NOT_ITS_FAULT
from nas.plain import plain
from nas.search.clock import Clock
from nas.search.columns import Column
from nas.search.costs import StoredCosts
from nas.search.drift import difference, registry_snapshot
from nas.search.enqueue import FOUNDERS
from nas.search.evaluate import judge
from nas.search.lifecycle import for_optuna, start_of
from nas.search.prepare import Prepared
from nas.search.propose import Candidate, Proposer, Rejected
from nas.spec import StudySpec
from nas.store import Store
from nas.store.location import database_path
from nas.store.optuna_tables import CONSTRAINT_KEY
from nas.store.rows import WARM_START, CarriedTrial, Measurement, StudyRow, TrialEnd

MOST_REASONS = 4
"""Reasons why trials were not carried over that are told, the most frequent first."""

Row = Mapping[str, Any]


class _NotCarriedError(Exception):
    """Why a trial stays behind."""


def check_source(storage: str, spec: StudySpec) -> None:
    """Whether there is a database that the study to be carried over can be in; asked before one is made.

    Raises:
        SpecError: there is none.
    """
    path = database_path(storage)
    if spec.study.warm_start is not None and not (path.is_file() and path.stat().st_size):
        raise spec.error("study.warm_start", f"there is no study '{spec.study.warm_start}': {path} is no database yet")


def carry_over(
    store: Store, ready: Prepared, tell: Callable[[str], None]
) -> tuple[tuple[CarriedTrial, ...], tuple[str, ...]]:
    """The trials that a new study begins with, and a word on how many there are and on those that stay behind; nothing
    where its file names no older study. `tell` hears how far it is.

    Raises:
        SpecError: there is no such study, or it measured nothing that the new one measures.
    """
    name = ready.spec.study.warm_start
    if name is None:
        return (), ()
    try:
        old = store.study(name)
    except StoreError as error:
        raise ready.spec.error("study.warm_start", error) from None
    _check_columns(old, ready)
    costs = StoredCosts(store)
    carrier = _Carrier(store, old, ready, costs)
    carried: list[CarriedTrial] = []
    reasons: Counter[str] = Counter()
    rows = store.trial_rows(old)
    for place, row in enumerate(rows, 1):
        tell(f"carrying over the trials of '{name}': {place} of {len(rows)}")
        try:
            carried.append(carrier.carry(row))
        except _NotCarriedError as reason:
            reasons[str(reason)] += 1
    costs.flush()
    return tuple(carried), (_summary(len(carried), name, reasons),)


def _check_columns(old: StudyRow, ready: Prepared) -> None:
    measured = {column.name: column.metric.name for column in ready.columns if column.metric and not column.free}
    if measured and not set(measured.values()) & {column.metric for column in old.columns}:
        raise ready.spec.error(
            "study.warm_start", f"study '{old.name}' measured nothing that this one measures ({', '.join(measured)}); "
            f"it has {', '.join(column.name for column in old.columns)}"
        )


def _summary(carried: int, name: str, reasons: Counter[str]) -> str:
    told = f"{carried} trial{'' if carried == 1 else 's'} carried over from '{name}'"
    if not reasons:
        return told
    listed = [f"{times} x {reason}" for reason, times in reasons.most_common(MOST_REASONS)]
    if (others := reasons.total() - sum(times for _, times in reasons.most_common(MOST_REASONS))) > 0:
        listed.append(f"{others} for other reasons")
    return f"{told} ({reasons.total()} not: {'; '.join(listed)})"


class _Carrier:
    """Carries one trial after the other."""

    def __init__(self, store: Store, old: StudyRow, ready: Prepared, costs: StoredCosts) -> None:
        self._store, self._old, self._ready = store, old, ready
        self._registry = registry_snapshot(ready)
        self._proposer = Proposer(ready.spec, ready.space, ready.columns, costs)
        self._carried: set[str] = set()
        self._measured: dict[int, dict[str, tuple[int, Measurement]]] = {}  # trial -> key -> measurement
        for row in store.measurement_rows(old):
            found = Measurement(row["key"], row["arch_id"], row["metric"], row["metric_version"], row["unit"],
                                row["outcome"], row["value"], message=row["message"])
            self._measured.setdefault(row["trial"], {})[row["key"]] = (row["id"], found)

    def carry(self, row: Row) -> CarriedTrial:
        """The trial of the new study that a trial of the old one becomes.

        Raises:
            _NotCarriedError: it becomes none, and why.
        """
        if row["state"] == "RUNNING" or row["outcome"] is None or row["arch"] is None:
            raise _NotCarriedError("still running" if row["state"] == "RUNNING" else "no trial of nas")
        if row["outcome"] in NOT_ITS_FAULT:
            raise _NotCarriedError(row["outcome"])
        ready = self._ready
        try:
            values = ready.space.encode(Architecture.parse(row["arch"]))
        except NasError as error:
            raise _NotCarriedError(str(error).splitlines()[0]) from None
        found = self._proposer.look(values, self._carried)
        if isinstance(found, Rejected):
            raise _NotCarriedError(found.reason)
        candidate = replace(found, sampler=WARM_START)

        def measured(column: Column, key: str) -> tuple[int, Measurement]:
            known = self._measured.get(row["trial"], {}).get(key) or self._store.find_measurement(key)
            if known is None:
                raise _NotCarriedError(self._why_not(row, column, candidate))
            return known

        done = judge(candidate, ready.spec, ready.columns, ready.plugins, self._store, measured, Clock())
        told = for_optuna(done.outcome, done.values, ready.spec)
        constraints = {f"{CONSTRAINT_KEY}:{bound}": violation for bound, violation in told.constraints.items()}
        template = create_trial(
            state=TrialState[told.state], values=None if told.values is None else list(told.values),
            params=dict(values), distributions=dict(self._proposer.distributions),
            user_attrs={"arch_id": candidate.arch.arch_id}, system_attrs={**FOUNDERS, **constraints},
        )
        said = f"carried over from trial {row['trial']} of '{self._old.name}'"
        end = TrialEnd(done.outcome, f"{said}; {done.message}" if done.message else said, done.feasible,
                       row["duration_s"])
        self._carried.add(candidate.arch.arch_id)
        return CarriedTrial(template, start_of(candidate), end, done.measurements)

    def _why_not(self, row: Row, column: Column, candidate: Candidate) -> str:
        """Why nothing that was measured of the old trial stands for the new study's column."""
        name, old = column.name, {of.name: of for of in self._old.columns}
        if name not in row["measured"]:
            return f"{name} was not measured"
        began: Any = self._old.registry.get("columns", {})
        before, now = began.get(name, {}), self._registry["columns"][name]
        parts = ("metric", "version", "conditions")
        was = {part: before.get(part) for part in parts} | {"options": plain(old[name].options)}
        here = {part: now[part] for part in parts} | {"options": plain(column.options)}
        if where := difference(was, here, name, "here it is"):
            return f"measured under another {where}"
        if before.get("digest") != now["digest"]:
            return f"the source of metric '{now['metric']}' has changed since"
        if row["arch_id"] != candidate.arch.arch_id:
            return "its blocks have other parameters now"
        seed: Any = self._old.spec.get("study", {})
        if column.metric is not None and column.metric.seeded and seed.get("seed") != self._ready.spec.study.seed:
            return f"{name} was measured with seed {seed.get('seed')}, here it is {self._ready.spec.study.seed}"
        return f"{name} was measured with other blocks: their source has changed since"
