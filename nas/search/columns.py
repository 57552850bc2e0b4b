"""A study's columns: each objective, each constraint and each `[columns.NAME]`, with the metric behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nas.arch import Architecture
from nas.choices import shown
from nas.cost.result import Cost
from nas.errors import MeasureError, NasError, PluginError, SpecError, nearest
from nas.metrics import Estimate, MetricSpec, Setting, ask_setting
from nas.outcomes import COST_COLUMNS, NOT_ITS_FAULT
from nas.plain import plain
from nas.plugins import Plugins
from nas.search.asking import Asking, Question
from nas.space import SearchSpace
from nas.spec import Bound, StudySpec
from nas.store.identity import measurement_key
from nas.store.rows import COST, ColumnRow

ORDER = {"free": 0, "cheap": 1, "expensive": 2}


@dataclass(frozen=True)
class Column:
    """One column: `metric` is None where it is a cost that follows from the architecture alone."""

    name: str
    metric: MetricSpec | None
    direction: Literal["minimize", "maximize"]
    unit: str
    source: str
    digest: str
    options: Mapping[str, object]
    conditions: Mapping[str, object]
    role: Literal["objective", "constraint", "column"]
    notice: str = ""
    timeout_s: float | None = None

    @property
    def free(self) -> bool:
        """Whether its value follows from the architecture alone, at once."""
        return self.metric is None or self.metric.cost == "free"

    def key(self, arch_id: str, block_digests: Mapping[str, str], seed: int) -> str:
        """What a stored measurement must share with this one to stand for it, as 32 hex digits."""
        if self.metric is None:
            raise ValueError(f"{self.name} is no measurement")
        metric = (self.metric.name, self.metric.version, self.digest)
        known = seed if self.metric.seeded else None
        return measurement_key(arch_id, block_digests, metric, self.options, self.conditions, known)

    def question(
        self, plugins: Plugins, arch: Architecture, cost: Cost, seed: int, options: Mapping[str, object] | None = None
    ) -> Question:
        """What its metric is asked of a network; `options` instead of the column's own."""
        if self.metric is None:
            raise ValueError(f"{self.name} is no measurement")
        device = str(self.conditions.get("device", self.options.get("device", "cpu")))
        return Question(
            plugins, self.metric, arch, cost, self.options if options is None else options, seed, device, self.timeout_s
        )

    def accept(self, found: Estimate) -> Estimate:
        """What was found, if it was found under the conditions that are in the key of all that this column measures.

        Raises:
            MeasureError: `contaminated`, where a condition was another one.
        """
        for name, began in self.conditions.items():
            if name in found.conditions and found.conditions[name] != plain(began):
                now = shown(found.conditions[name])
                changed = f"{name} was {shown(began)} when the run began, and is {now} now"
                raise MeasureError(f"{changed}: run the study again", "contaminated")
        return found

    def row(self) -> ColumnRow:
        """As the store keeps it."""
        metric = self.metric.name if self.metric else self.name
        return ColumnRow(self.name, metric, self.unit, self.direction, self.source, self.role,
                         self.role != "column", dict(self.options))


def resolve_columns(
    spec: StudySpec, space: SearchSpace, plugins: Plugins, asking: Asking
) -> tuple[Column, ...]:
    """The study's columns, the cheapest first.

    Raises:
        SpecError: a column has no metric, an objective goes against its metric's direction, or an option or the
            machine is refused by the metric; file and key are named.
        MeasureError: the process that a metric was asked in ended, twice.
    """
    names = dict.fromkeys([*spec.objectives, *spec.constraints, *spec.columns])
    columns = [
        _cost(spec, name) if name in COST_COLUMNS else _measured(spec, space, plugins, name, asking) for name in names
    ]
    return tuple(sorted(columns, key=lambda column: ORDER[column.metric.cost] if column.metric else -1))


def _role(spec: StudySpec, name: str) -> Literal["objective", "constraint", "column"]:
    if name in spec.objectives:
        return "objective"
    return "constraint" if name in spec.constraints else "column"


def _cost(spec: StudySpec, name: str) -> Column:
    return Column(name, None, "minimize", COST_COLUMNS[name], COST, "", {}, {}, _role(spec, name))


def _measured(spec: StudySpec, space: SearchSpace, plugins: Plugins, name: str, asking: Asking) -> Column:
    role = _role(spec, name)
    place = f"columns.{name}" if name in spec.columns else f"{role}s.{name}"
    section = spec.columns.get(name)
    metric_name = (section.metric if section else None) or name
    try:
        metric = plugins.metrics[metric_name]
    except PluginError:
        known = [*COST_COLUMNS, *plugins.metrics]
        close = nearest(metric_name, [column for column in (*known, *spec.columns) if column != name])
        raise spec.error(place, f"unknown column {shown(metric_name)}{close}; there are {', '.join(known)}"
                         f"{plugins.hint()}") from None
    wanted = spec.objectives.get(name)
    if wanted and wanted != metric.direction:
        raise spec.error(f"objectives.{name}", f"{metric_name} is better the other way round: write "
                         f"\"{metric.direction}\"")
    options = _options(spec, place, metric, section.options if section else {})
    setting = Setting(options, space.input_shapes, spec.input.classes, plugins.runtimes)
    try:
        answer = ask_setting(metric, setting) if metric.cost == "free" else asking.setting(plugins, metric, setting)
        json.dumps(dict(answer.conditions))
    except SpecError:
        raise
    except MeasureError as error:
        if error.outcome not in NOT_ITS_FAULT:
            raise _refused(spec, place, metric_name, error) from error
        told = f"metric '{metric_name}' could not be asked about this setting, which is no fault of the study: {error}"
        raise MeasureError(f"{spec.error(place, told)}\nSee that the machine is well, and run the study again.",
                           error.outcome) from None
    except (Exception, SystemExit) as error:  # a stranger's metric may raise anything
        raise _refused(spec, place, metric_name, error) from error
    if answer.refusal is not None:
        raise spec.error(place, answer.refusal)
    origin = plugins.metrics.origin(metric_name)
    return Column(name, metric, metric.direction, metric.unit, str(origin), origin.digest, options, answer.conditions,
                  role, answer.notice, section.timeout_s if section else None)


def _refused(spec: StudySpec, place: str, metric: str, error: BaseException) -> SpecError:
    told = str(error) if isinstance(error, NasError) else f"{type(error).__name__}: {error}"
    return spec.error(place, f"metric '{metric}' refuses this setting: {told}")


def _options(spec: StudySpec, place: str, metric: MetricSpec, given: Mapping[str, object]) -> Mapping[str, object]:
    for key, value in given.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise spec.error(f"{place}.{key}", f"{shown(value)} is no option: give a text, a finite "
                             "number, true, false, or a list or table of them") from None
    if metric.options is None:
        return dict(given)
    for key in given:
        if key not in metric.options:
            raise spec.error(f"{place}.{key}", f"metric '{metric.name}' has no option '{key}'"
                             f"{nearest(key, metric.options)}; it has {', '.join(metric.options) or 'none'}")
    return {**metric.options, **given}


def broken(bounds: tuple[Bound, ...], values: Mapping[str, float]) -> list[Bound]:
    """The bounds that the known `values` break."""
    return [bound for bound in bounds if bound.column in values and bound.violation(values[bound.column]) > 0]


def told_broken(failed: Sequence[Bound], values: Mapping[str, float]) -> str:
    """Which bounds are broken, and by how much."""
    return "; ".join(
        f"breaks {bound} by {abs(values[bound.column] - bound.bound):.4g}: it is {values[bound.column]:.6g}"
        for bound in failed
    )
