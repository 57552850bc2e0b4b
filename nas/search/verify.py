"""The last phase of a run: the front and its nearest others are measured again, each in several fresh processes.

A search looks at many noisy values and keeps the best ones, of which some were merely lucky; and one process alone does
not see what differs from process to process. So the finalists are measured side by side, in random order, again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nas.arch import Architecture
from nas.cost.count import count_architecture
from nas.cost.table import CostTable
from nas.errors import MeasureError
from nas.latency.faults import as_outcome
from nas.latency.statistics import fresh_process_interval, median
from nas.metrics import Estimate
from nas.outcomes import NOT_ITS_FAULT, TRIED_TWICE
from nas.search.columns import Column
from nas.search.finalists import finalists
from nas.search.prepare import Prepared
from nas.search.samplers import derived_seed
from nas.store import Store
from nas.store.rows import StudyRow, TrialRecord, Verification

PROCESSES = 4
MOST_MISSING = 1
"""The machine may spoil so many of the processes: the others tell enough, and how many they were."""
LEAST_SECONDS = 1.0
LEAST_PASSES = 20
"""What one process spends on a network: what differs from process to process is larger than what a longer look at one
of them would tell."""


@dataclass(frozen=True)
class _Finalist:
    record: TrialRecord
    arch: Architecture


def verify(
    store: Store, row: StudyRow, ready: Prepared, costs: CostTable, tell: Callable[[str], None]
) -> None:
    """Measures the noisy columns of the finalists again, and keeps what was found; does nothing where there are none,
    or where the same finalists were verified before and no fault of the machine is left of that.

    An interruption leaves what the last verification found.

    Raises:
        StoreError: the database cannot be used.
        KeyboardInterrupt: from the user.
    """
    noisy = [column for column in ready.columns if column.metric is not None and column.metric.noisy]
    if not noisy:
        return
    texts = {int(trial["trial"]): str(trial["arch"]) for trial in store.trial_rows(row)}
    directions = {column.name: column.direction for column in noisy}
    members, others = finalists(store.trials(row), ready.spec.objectives, ready.spec.bounds, directions)
    chosen = [_Finalist(record, Architecture.parse(texts[record.number])) for record in (*members, *others)]
    before = store.verifications(row)
    done = {found.trial for found in before} - {found.trial for found in before if found.outcome in NOT_ITS_FAULT}
    if chosen and {one.record.number for one in chosen} != done:
        store.write_verifications(row, _measured_again(store, ready, noisy, chosen, costs, tell))


def _measured_again(
    store: Store, ready: Prepared, noisy: Sequence[Column], chosen: Sequence[_Finalist], costs: CostTable,
    tell: Callable[[str], None],
) -> list[Verification]:
    rng = random.Random(derived_seed(ready.spec.study.seed, len(chosen)))
    values: dict[tuple[int, str], list[float]] = {}
    environments: dict[tuple[int, str], Mapping[str, object] | None] = {}
    failed: dict[tuple[int, str], tuple[str, str]] = {}
    for process in range(1, PROCESSES + 1):
        for column in noisy:
            ready.asking.start_afresh(column.options)
        order = [(one, column) for one in chosen for column in noisy if column.name in one.record.values]
        rng.shuffle(order)
        repeated: set[tuple[int, str]] = set()
        for place, (one, column) in enumerate(order, 1):
            key = (one.record.number, column.name)
            if key in failed and failed[key][0] not in NOT_ITS_FAULT:
                continue  # it would fail in the next process too
            tell(f"verifying: {column.name}, process {process} of {PROCESSES}, {place} of {len(order)}")
            try:
                found = _asked(ready, column, one, costs)
                values.setdefault(key, []).append(found.value)
                environments[key] = found.environment
            except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's metric may raise anything
                outcome, message = as_outcome(error)
                if outcome in TRIED_TWICE and key not in repeated:
                    repeated.add(key)
                    order.append((one, column))  # once more, when the others are done
                else:
                    failed[key] = (outcome, message)
    return [
        _verification(key, values.get(key, []), failed.get(key), store.keep_environment(environments.get(key)))
        for key in sorted({*values, *failed})
    ]


def _asked(ready: Prepared, column: Column, one: _Finalist, costs: CostTable) -> Estimate:
    question = column.question(
        ready.plugins, one.arch, count_architecture(one.arch, ready.plugins.blocks, costs), ready.spec.study.seed,
        _shorter(column, one.record.values[column.name]),
    )
    found = column.accept(ready.asking.estimate(question))
    if not 0 < found.value < float("inf"):
        raise MeasureError(f"the value is {found.value}", "nan")
    return found


def _shorter(column: Column, searched: float) -> Mapping[str, object]:
    """The column's options; where they cap the seconds of a measurement in milliseconds, with a lower cap."""
    cap = column.options.get("max_seconds")
    if isinstance(cap, bool) or not isinstance(cap, int | float):
        return column.options
    pass_s = searched / 1e3 if column.unit == "ms" else 0.0
    return {**column.options, "max_seconds": min(cap, max(LEAST_SECONDS, LEAST_PASSES * pass_s))}


def _verification(
    key: tuple[int, str], values: Sequence[float], failed: tuple[str, str] | None, environment: str | None
) -> Verification:
    trial, column = key
    known_well = len(values) >= PROCESSES - MOST_MISSING
    if failed is not None and not (failed[0] in NOT_ITS_FAULT and known_well):
        return Verification(trial, column, failed[0], processes=tuple(values), message=failed[1],
                            environment=environment)
    missing = PROCESSES - len(values)
    told = f"{missing} of {PROCESSES} processes left out: {failed[0]}: {failed[1]}" if failed else ""
    low, high = fresh_process_interval(values)
    return Verification(trial, column, "ok", median(values), low, high, tuple(values), told, environment)
