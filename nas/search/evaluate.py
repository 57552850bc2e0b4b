"""Evaluates one candidate: its columns in the order of their cost, with stored measurements reused.

What a metric raises becomes an outcome and a message; the search goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nas.errors import NasError
from nas.metrics import Estimate, is_finite
from nas.outcomes import TRIED_TWICE
from nas.plugins import Plugins
from nas.search.asking import Asking
from nas.search.clock import Clock, part_of
from nas.search.columns import ORDER, Column, broken, told_broken
from nas.search.propose import Candidate
from nas.spec import StudySpec
from nas.store import Store
from nas.store.rows import Measurement
from nas.worker.metric_job import block_digests


def unheard(doing: str) -> None:
    """The default listener: nobody listens."""


@dataclass
class Evaluation:
    """What came of a candidate: the values of its columns, and how it ended."""

    outcome: str = "ok"
    message: str = ""
    values: dict[str, float] = field(default_factory=dict)
    measurements: dict[str, int] = field(default_factory=dict)
    feasible: bool = False


Found = Callable[[Column, str], tuple[int, Measurement]]
"""A column and the key of its measurement -> the measurement, with its id in the store."""


def evaluate(
    candidate: Candidate,
    spec: StudySpec,
    columns: tuple[Column, ...],
    plugins: Plugins,
    store: Store,
    asking: Asking,
    tell: Callable[[str], None] = unheard,
    clock: Clock | None = None,
) -> Evaluation:
    """Computes the candidate's columns; stops at the first measured constraint that is broken while costlier columns
    remain, and at the first failure, which is tried once more. `tell` hears what is being computed, `clock` where the
    time goes.
    """
    clock = clock or Clock()

    def measured(column: Column, key: str) -> tuple[int, Measurement]:
        tell(column.name)
        return _measured(candidate, spec, column, plugins, store, key, asking, tell, clock)

    return judge(candidate, spec, columns, plugins, store, measured, clock)


def judge(
    candidate: Candidate,
    spec: StudySpec,
    columns: tuple[Column, ...],
    plugins: Plugins,
    store: Store,
    measured: Found,
    clock: Clock,
) -> Evaluation:
    """What a candidate comes to by the measurements that `measured` gives, asked for column by column: the cheapest
    first, of one price those that a bound can end the trial at, and then as the study file has them.
    """
    done = Evaluation(values=dict(candidate.free))
    digests = block_digests(candidate.arch, plugins)
    for column in columns:
        if column.free and column.metric is not None:
            key = column.key(candidate.arch.arch_id, digests, spec.study.seed)
            with clock("store"):
                done.measurements[column.name] = _kept(candidate, spec, column, store, key)
    order = _cheapest_first(columns, spec)
    for position, column in enumerate(order):
        key = column.key(candidate.arch.arch_id, digests, spec.study.seed)
        identity, measurement = measured(column, key)
        done.measurements[column.name] = identity
        if measurement.outcome != "ok" or measurement.value is None:
            done.outcome, done.message = measurement.outcome, f"{column.name}: {measurement.message}"
            return done
        done.values[column.name] = measurement.value
        if (failed := broken(spec.bounds, done.values)) and position + 1 < len(order):
            done.outcome, done.message = "infeasible", told_broken(failed, done.values)
            return done
    failed = broken(spec.bounds, done.values)
    done.feasible = not failed
    done.message = told_broken(failed, done.values)
    return done


def _cheapest_first(columns: tuple[Column, ...], spec: StudySpec) -> list[Column]:
    """Those that are measured; `columns` are in the order of their prices already."""
    bounded = {bound.column for bound in spec.bounds}
    measured = [column for column in columns if column.metric is not None and not column.free]
    return sorted(measured, key=lambda column: (ORDER[column.metric.cost] if column.metric else 0,
                                                column.name not in bounded))


def _kept(candidate: Candidate, spec: StudySpec, column: Column, store: Store, key: str) -> int:
    """The id of the measurement of a free metric, whose value the proposal knew already."""
    if (stored := store.find_measurement(key)) is not None:
        return stored[0]
    estimate = candidate.estimates[column.name]
    return store.add_measurement(_row(candidate, spec, column, key, estimate, "ok", estimate.message, 0.0))


def _measured(
    candidate: Candidate,
    spec: StudySpec,
    column: Column,
    plugins: Plugins,
    store: Store,
    key: str,
    asking: Asking,
    tell: Callable[[str], None],
    clock: Clock,
) -> tuple[int, Measurement]:
    with clock("store"):
        stored = store.find_measurement(key)
    if stored is not None:
        return stored
    for attempt in (1, 2):
        began = time.perf_counter()
        with clock("build"):  # until the metric tells what it does
            estimate, outcome, message = _compute(candidate, spec, column, plugins, asking, tell, clock)
        if outcome == "worker_died" and attempt == 2 and asking.is_well(column.options):
            outcome, message = "device_error", f"{message}; so it did twice, and without it the device answers"
        measurement = _row(candidate, spec, column, key, estimate, outcome, message, time.perf_counter() - began)
        with clock("store"):
            identity = store.add_measurement(measurement)
        if outcome not in TRIED_TWICE or attempt == 2:
            break
    return identity, measurement


def _compute(
    candidate: Candidate, spec: StudySpec, column: Column, plugins: Plugins, asking: Asking,
    tell: Callable[[str], None], clock: Clock,
) -> tuple[Estimate | None, str, str]:
    from nas.latency.faults import as_outcome

    def enter(phase: str) -> None:
        clock.turn_to(part_of(phase))
        tell(f"{column.name}, {phase}")

    question = column.question(plugins, candidate.arch, candidate.cost, spec.study.seed)
    try:
        estimate = column.accept(asking.estimate(
            question,
            hear=lambda step, value: tell(f"{column.name}, step {step}: {value:.4g}"),
            enter=enter,
        ))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's metric may raise anything, `sys.exit()` too
        return None, *as_outcome(error)
    if not is_finite(estimate.value):
        return None, "nan", f"the value is {estimate.value}" + (f" ({estimate.message})" if estimate.message else "")
    return estimate, "ok", estimate.message


def _row(
    candidate: Candidate, spec: StudySpec, column: Column, key: str, estimate: Estimate | None,
    outcome: str, message: str, seconds: float,
) -> Measurement:
    if column.metric is None:
        raise NasError(f"{column.name} is a cost, and known already")
    found = estimate or Estimate(float("nan"))
    setting = {**column.options, **column.conditions}
    conditions: Mapping[str, object] = setting | dict(found.conditions)
    ratio = conditions.get("reference_ratio")
    return Measurement(
        key=key, arch_id=candidate.arch.arch_id, metric=column.metric.name, metric_version=column.metric.version,
        unit=column.unit, outcome=outcome, value=estimate.value if estimate else None, low=found.low, high=found.high,
        iqr=found.iqr, n=found.n or len(found.samples) or None, message=message, conditions=conditions, setting=setting,
        reference_ratio=float(str(ratio)) if ratio is not None else None, environment=found.environment,
        seconds=seconds, samples=tuple(found.samples), seed=spec.study.seed if column.metric.seeded else None,
    )
