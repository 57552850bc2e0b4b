"""What the store takes and gives: frozen values, no more. Mappings are JSON: text, numbers, booleans, None, lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Direction = Literal["minimize", "maximize"]
Role = Literal["objective", "constraint", "column"]
Operator = Literal["<=", ">="]

COST = "cost"
"""The `source` of a column that follows from the architecture alone: params, macs, flops, activations."""

WARM_START = "warm_start"
"""The `sampler` of a trial that was carried over from another study: it does not count towards the study's total."""


@dataclass(frozen=True)
class ColumnRow:
    """One column of a study: a metric with its options, or a fixed cost column that the study optimises or bounds.

    Attributes:
        source: `COST`, or where the metric comes from (a distribution's module, a local file).
        role: the strongest that applies: an objective that is also bounded is an objective.
        required: whether the study optimises or bounds it; any other column is there to be reported.
    """

    name: str
    metric: str
    unit: str
    direction: Direction
    source: str
    role: Role
    required: bool
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRow:
    """A study as it was frozen when it was created.

    Attributes:
        uuid: 32 hex digits, also in Optuna's user attributes. Our rows are keyed by it: Optuna reuses its ids.
        created_at: ISO 8601, UTC.
        spec: snapshot of the study file.
        registry: snapshot of the plugins: "blocks" and "columns" (of the metric behind each), name -> version, digest,
            origin; of a column also its metric and the conditions under which it is measured.
        objectives: column -> direction, in the order of Optuna's values.
        constraints: (column, operator, bound), inclusive, in the column's unit.
    """

    uuid: str
    name: str
    optuna_id: int
    created_at: str
    nas_version: str
    spec: Mapping[str, object]
    registry: Mapping[str, object]
    columns: tuple[ColumnRow, ...]
    objectives: Mapping[str, Direction]
    constraints: tuple[tuple[str, Operator, float], ...]


@dataclass(frozen=True)
class TrialStart:
    """What is known of a trial when it begins.

    Attributes:
        receptive_field: "HxW", in pixels of the input.
        global_ops, unsupported_ops: names of operations, see the columns of that name.
        sampler: who proposed it.
        rejected: how many proposals were rejected since the trial before.
        retry_of: the number of the trial whose candidate is tried again.
    """

    arch_id: str
    arch: str
    params: int
    macs: int
    flops: int
    activations: int
    receptive_field: str
    output_stride: int | str | Sequence[int] | None = None
    global_ops: Sequence[str] = ()
    unsupported_ops: Sequence[str] = ()
    sampler: str = ""
    rejected: int = 0
    retry_of: int | None = None


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended: a word of `nas.outcomes.OUTCOMES`, and what a reader should know about it.

    `duration_s` is from its begin to its end; `seconds` says what it took before and meanwhile, by parts: "ask",
    "cost", "build", "measure", "store".
    """

    outcome: str
    message: str = ""
    feasible: bool = False
    duration_s: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What Optuna is told of a trial's end.

    Attributes:
        state: "COMPLETE", "PRUNED" or "FAIL".
        values: of the objectives, where it is complete.
        constraints: the violation of each bound whose column is known, by the bound's text.
    """

    state: str
    values: Sequence[float] | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CarriedTrial:
    """A trial of another study as it stands in a new one from its creation: what Optuna has of it, finished, what we
    have, and the measurement behind each of its columns.
    """

    template: FrozenTrial
    start: TrialStart
    end: TrialEnd
    measurements: Mapping[str, int]


@dataclass(frozen=True)
class Measurement:
    """One value of one metric for one network under one set of conditions.

    Attributes:
        key: what two measurements have in common that may stand for each other.
        value: in `unit`; None where the outcome is not "ok".
        n: how many samples stand behind it.
        conditions: what it was measured under, and what was found on the way.
        setting: those of the conditions that are the same for every measurement of a column, kept once for all.
        environment: the machine; kept once for all measurements that share it.
        seconds: how long measuring took.
        samples: every raw sample, in `unit`; kept as float32.
    """

    key: str
    arch_id: str
    metric: str
    metric_version: int
    unit: str
    outcome: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    iqr: float | None = None
    n: int | None = None
    message: str = ""
    conditions: Mapping[str, object] = field(default_factory=dict)
    setting: Mapping[str, object] = field(default_factory=dict)
    reference_ratio: float | None = None
    environment: Mapping[str, object] | None = None
    seconds: float | None = None
    samples: Sequence[float] = ()
    seed: int | None = None


class Comparable(NamedTuple):
    """A successful measurement under conditions that were asked for: of which network, and what came out where.

    `environment` is the machine's fingerprint, None where the metric tells of none.
    """

    id: int
    key: str
    arch_id: str
    arch: str
    value: float
    environment: str | None


@dataclass(frozen=True)
class TrialRecord:
    """A trial as a search needs it to go on: light, and read for all trials at once.

    `state` is Optuna's; `outcome` is None while the trial runs. `values` holds the costs and each measured column.
    """

    number: int
    state: str
    arch_id: str | None
    outcome: str | None
    retry_of: int | None
    sampler: str
    feasible: bool
    duration_s: float | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Verification:
    """A column of a trial, measured again after the search in several fresh processes.

    Attributes:
        outcome: "ok", or how the last process that failed did; then there is no value.
        value: the median of the processes' values, in the column's unit.
        low, high: the interval that holds the value of one more fresh process, see
            `nas.latency.statistics.fresh_process_interval`.
        processes: what each process measured.
        message: how it failed; with a value, which processes the machine spoilt.
        environment: fingerprint of the machine; None where the metric tells of none, or nothing was measured.
    """

    trial: int
    column: str
    outcome: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    processes: tuple[float, ...] = ()
    message: str = ""
    environment: str | None = None
