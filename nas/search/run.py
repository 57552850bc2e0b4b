"""The pipeline of a study, read from top to bottom: check, open, recover, propose, begin, evaluate, end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas.errors import SpecError
from nas.outcomes import COST_COLUMNS, NOT_ITS_FAULT
from nas.plugins import Plugins, load_plugins
from nas.search.columns import Column, resolve_columns
from nas.search.drift import check_drift, registry_snapshot, snapshot
from nas.search.evaluate import Evaluation, evaluate
from nas.search.preflight import check_space
from nas.search.propose import Candidate, ExhaustedError, Proposer
from nas.space import SearchSpace
from nas.spec import StudySpec, load_spec
from nas.store import Store
from nas.store.rows import StudyRow, TrialEnd, TrialRecord, TrialStart

DEFAULT_STORAGE = "sqlite:///nas.db"


@dataclass(frozen=True)
class Progress:
    """What an observer is told after each trial."""

    finished: int
    total: int
    last: Evaluation | None
    notices: tuple[str, ...] = ()


Observer = Callable[[Progress], None]


def _unobserved(_: Progress) -> None:
    """The default observer: nobody looks."""


@dataclass(frozen=True)
class Prepared:
    """A study that has passed every check and has touched no database yet."""

    spec: StudySpec
    plugins: Plugins
    space: SearchSpace
    columns: tuple[Column, ...]


def prepare(study: str | Path | StudySpec, plugins: Sequence[str | Path] = (), device: str | None = None) -> Prepared:
    """Reads and checks everything that a study needs.

    Raises:
        NasError: the study file, a plugin, a choice, a column or the machine is not what it should be.
    """
    spec = load_spec(study)
    loaded = load_plugins([*spec.plugin_files, *plugins])
    space = SearchSpace(spec, loaded.blocks)
    if device is not None:
        spec = _on_device(spec, loaded, device)
    columns = resolve_columns(spec, space, loaded)
    check_space(space)
    return Prepared(spec, loaded, space, columns)


def _on_device(spec: StudySpec, plugins: Plugins, device: str) -> StudySpec:
    """`--device` replaces the device of every column whose metric has one."""
    columns = {name: {"metric": section.metric, **section.options} for name, section in spec.columns.items()}
    for name in dict.fromkeys([*spec.objectives, *spec.constraints, *spec.columns]):
        wanted = str(columns.get(name, {}).get("metric") or name)
        metric = plugins.metrics.get(wanted) if wanted not in COST_COLUMNS and wanted in plugins.metrics else None
        if metric is not None and metric.options is not None and "device" in metric.options:
            columns[name] = {**columns.get(name, {}), "device": device}
    data = spec.model_dump(mode="python")
    from nas.spec import parse_spec

    return parse_spec({**data, "stages": [_plain(stage) for stage in data["stages"]], "columns": columns}, spec.source)


def _plain(stage: Mapping[str, object]) -> dict[str, object]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in stage.items()}


def run(
    study: str | Path | StudySpec,
    trials: int | None = None,
    storage: str = DEFAULT_STORAGE,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    observer: Observer | None = None,
) -> optuna.Study:
    """Runs a study until it has `trials` counted trials in all, and returns Optuna's study.

    A second call goes on from where the first one stopped, or finds nothing left to do.

    Raises:
        NasError: what the caller gave is not what it should be; nothing was written.
        NothingFeasibleError: 200 proposals in a row were rejected.
        KeyboardInterrupt: after everything finished so far is saved.
    """
    ready = prepare(study, plugins, device)
    total = trials if trials is not None else ready.spec.study.trials
    if total < 1:
        raise SpecError(f"trials: must be a whole number from 1, got {total}")
    with Store.open(storage) as store:
        row, notices = _find_or_create(store, ready)
        _search(store, row, ready, total, observer or _unobserved, notices)
    return optuna.load_study(study_name=ready.spec.study.name, storage=storage)


def _find_or_create(store: Store, ready: Prepared) -> tuple[StudyRow, tuple[str, ...]]:
    spec = ready.spec
    registry = registry_snapshot(spec, ready.space, ready.plugins)
    if (found := store.find_study(spec.study.name)) is not None:
        return found, tuple(check_drift(found, spec, registry))
    directions = list(spec.objectives.values())
    created = store.create_study(
        spec.study.name, directions, list(spec.objectives), spec=snapshot(spec), registry=registry,
        columns=[column.row() for column in ready.columns], objectives=spec.objectives,
        constraints=[(bound.column, bound.operator, bound.bound) for bound in spec.bounds],
    )
    return created, ()


def _search(
    store: Store, row: StudyRow, ready: Prepared, total: int, observer: Observer, notices: tuple[str, ...]
) -> None:
    study = optuna.load_study(study_name=row.name, storage=store.optuna)
    _recover(store, row, study, ready.spec)
    proposer = Proposer(ready.spec, ready.space, ready.columns)
    observer(Progress(store.count_finished(row), total, None, notices))
    while (finished := store.count_finished(row)) < total:
        began = time.perf_counter()
        records = store.trials(row)
        try:
            tried = {r.arch_id for r in records if r.arch_id and r.outcome not in NOT_ITS_FAULT}
            candidate = _retry(study, records, proposer)
            candidate = candidate or proposer.propose(study, len(records), finished, tried)
        except ExhaustedError:
            observer(Progress(finished, total, None, ("the space is exhausted: every network of it is evaluated",)))
            return
        number = _begin(store, row, candidate, proposer)
        try:
            done = evaluate(candidate, ready.spec, ready.columns, ready.plugins, store)
        except BaseException as error:
            told = "stopped by the user" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            store.end_trial(row, number, TrialEnd("interrupted", told, False, time.perf_counter() - began))
            study.tell(number, state=TrialState.FAIL)
            raise
        _end(store, row, study, number, done, ready.spec, time.perf_counter() - began)
        observer(Progress(store.count_finished(row), total, done))


def _recover(store: Store, row: StudyRow, study: optuna.Study, spec: StudySpec) -> None:
    """Ends the trials whose process is gone: with what they had reached, if that was written, else as interrupted."""
    orphans = set(store.orphans(row))
    for record in store.trials(row):
        if record.number not in orphans:
            continue
        if record.outcome is None:
            store.end_trial(row, record.number, TrialEnd("interrupted", "the process that ran this trial is gone"))
        _tell(study, record.number, record.outcome or "interrupted", record.values, spec)


def _tell(study: optuna.Study, number: int, outcome: str, values: Mapping[str, float], spec: StudySpec) -> None:
    """Optuna's half of a trial's end."""
    if outcome == "ok":
        study.tell(number, [values[name] for name in spec.objectives])
    else:
        study.tell(number, state=TrialState.PRUNED if outcome in ("infeasible", "stopped") else TrialState.FAIL)


def _retry(study: optuna.Study, records: Sequence[TrialRecord], proposer: Proposer) -> Candidate | None:
    """The candidate of a trial that the machine failed and that no later trial tried again."""
    tried_again = {record.retry_of for record in records}
    for record in records:
        if record.outcome in NOT_ITS_FAULT and record.number not in tried_again:
            values = study.trials[record.number].params
            found = proposer.look(values) if set(values) == set(proposer.distributions) else ""
            if isinstance(found, Candidate):
                return Candidate(values, found.arch, found.cost, found.free, "retry", 0, {}, record.number)
    return None


def _begin(store: Store, row: StudyRow, candidate: Candidate, proposer: Proposer) -> int:
    template: FrozenTrial = create_trial(
        state=TrialState.RUNNING, params=dict(candidate.values), distributions=dict(proposer.distributions),
        user_attrs={"arch_id": candidate.arch.arch_id}, system_attrs=dict(candidate.system_attrs),
    )
    cost = candidate.cost
    start = TrialStart(
        candidate.arch.arch_id, candidate.arch.text, cost.params, cost.macs, cost.flops, cost.activations,
        cost.receptive_field, global_ops=cost.global_ops, unsupported_ops=cost.unsupported_ops,
        sampler=candidate.sampler, rejected=candidate.rejected, retry_of=candidate.retry_of,
    )
    return store.begin_trial(row, template, start)


def _end(
    store: Store, row: StudyRow, study: optuna.Study, number: int, done: Evaluation, spec: StudySpec, seconds: float
) -> None:
    end = TrialEnd(done.outcome, done.message, done.feasible, seconds, done.seconds)
    store.end_trial(row, number, end, done.measurements)
    trial = Trial(study, store.optuna.get_trial_id_from_study_id_trial_number(study._study_id, number))
    for bound in spec.bounds:
        if bound.column in done.values:
            trial.set_constraint(str(bound), bound.violation(done.values[bound.column]))
    _tell(study, number, done.outcome, done.values, spec)
