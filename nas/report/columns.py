"""The columns of a report as data: what each holds, in which unit, and where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from nas.outcomes import COST_COLUMNS, FIXED_COLUMNS, LEADING_COLUMNS, TRAILING_COLUMNS, TRIAL_PARTS
from nas.store.rows import COST, ColumnRow, StudyRow

Kind = Literal["text", "count", "number", "flag", "any"]
"""What a column holds: text ("" or missing), whole numbers, floats, booleans (never missing), or a mixture."""


@dataclass(frozen=True)
class Column:
    """One column of a report.

    Attributes:
        unit: of its values, "" where they have none.
        source: "optuna", "nas", `COST`, "parameter", or where the metric comes from.
        required: whether every report has it, or of a study's own column, whether the study optimises or bounds it.
        kind: see `Kind`.
        direction: which way is better, None where neither is.
    """

    name: str
    unit: str
    source: str
    required: bool
    kind: Kind
    direction: str | None = None


_UNITS = {"receptive_field": "pixels", "duration_s": "s"}
_SOURCES = {"trial": "optuna", "state": "optuna", "receptive_field": COST, "global_ops": COST, "unsupported_ops": COST}
_KINDS: dict[str, Kind] = {"trial": "count", "feasible": "flag", "pareto": "flag", "duration_s": "number"}

FIXED = {
    name: Column(
        name=name,
        unit=COST_COLUMNS.get(name, _UNITS.get(name, "")),
        source=COST if name in COST_COLUMNS else _SOURCES.get(name, "nas"),
        required=True,
        kind="count" if name in COST_COLUMNS else _KINDS.get(name, "text"),
        direction="minimize" if name in COST_COLUMNS else None,
    )
    for name in FIXED_COLUMNS
}
"""The columns that every report has."""

SECONDS = tuple(Column(f"seconds.{part}", "s", "nas", required=False, kind="number") for part in TRIAL_PARTS)
"""The columns of `seconds=True`: no column of a study has a dot in its name."""

SAMPLER = Column("sampler", "", "nas", required=False, kind="text")
"""The column of `sampler=True`."""

MEASUREMENTS = (
    Column("trial", "", "optuna", required=True, kind="count"),
    Column("arch_id", "", "nas", required=True, kind="text"),
    Column("column", "", "nas", required=True, kind="text"),
    Column("metric", "", "nas", required=True, kind="text"),
    Column("value", "of `unit`", "metric", required=True, kind="number"),
    Column("low", "of `unit`", "metric", required=True, kind="number"),
    Column("high", "of `unit`", "metric", required=True, kind="number"),
    Column("n", "samples", "metric", required=True, kind="count"),
    Column("unit", "", "metric", required=True, kind="text"),
    Column("outcome", "", "nas", required=True, kind="text"),
    Column("message", "", "nas", required=True, kind="text"),
    Column("device", "", "condition", required=True, kind="text"),
    Column("runtime", "", "condition", required=True, kind="text"),
    Column("batch", "images", "condition", required=True, kind="count"),
    Column("dtype", "", "condition", required=True, kind="text"),
    Column("memory_format", "", "condition", required=True, kind="text"),
    Column("threads", "", "condition", required=True, kind="any"),
    Column("fused", "", "condition", required=True, kind="any"),
    Column("reference_ratio", "", "metric", required=True, kind="number"),
    Column("environment", "", "metric", required=True, kind="text"),
    Column("seconds", "s", "nas", required=True, kind="number"),
)
"""The columns of `nas.read_measurements`, a row a measurement."""


def metric_columns(study: StudyRow) -> tuple[ColumnRow, ...]:
    """The study's own columns beside the fixed ones: those that a metric fills."""
    return tuple(column for column in study.columns if column.name not in FIXED)


def report_columns(
    study: StudyRow, with_interval: Collection[str], verified: Collection[str] = ()
) -> tuple[Column, ...]:
    """The columns of a study's report, in order; `with_interval` names those whose metric gives low and high,
    `verified` those that the last phase of a run measured again.
    """
    columns = [FIXED[name] for name in LEADING_COLUMNS]
    for of in metric_columns(study):
        columns.append(Column(of.name, of.unit, of.source, of.required, "number", of.direction))
        if of.name in with_interval:
            columns += [
                Column(f"{of.name}_{end}", of.unit, of.source, required=False, kind="number") for end in ("low", "high")
            ]
        if of.name in verified:
            columns.append(Column(f"{of.name}_verified", of.unit, of.source, False, "number", of.direction))
            columns += [
                Column(f"{of.name}_verified_{end}", of.unit, of.source, required=False, kind="number")
                for end in ("low", "high")
            ]
    return (*columns, *(FIXED[name] for name in TRAILING_COLUMNS))


def parameter_columns(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Parameter -> the name of its column: its own, or `param.NAME` where a column of the report has that name."""
    return {name: f"param.{name}" if name in taken else name for name in names}

