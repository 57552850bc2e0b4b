"""What a metric plugin hands over: `MetricSpec`, and what it is told of a candidate: `MetricContext`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from nas.arch import NAME, Architecture
from nas.errors import MeasureError, StoreError
from nas.outcomes import FIXED_COLUMNS
from nas.plain import plain
from nas.registry import Registry
from nas.runtimes import RuntimeRegistry

if TYPE_CHECKING:
    from torch import nn

    from nas.cost.result import Cost


KEYS_OF_EVERY_COLUMN = ("metric", "timeout_s")
"""Keys of `[columns.NAME]` that are no options of its metric."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and where there are any the samples behind it.

    `low` and `high` are a 95 % confidence interval of `value` unless the metric's documentation says otherwise.
    `conditions` are facts found while measuring (`fused`, `reference_ratio`, ...), kept beside the value;
    `environment` describes the machine and is kept once for all measurements that share it. `n` counts what the value
    was found from, where that is not the samples: images, say.
    """

    value: float
    low: float | None = None
    high: float | None = None
    samples: Sequence[float] = ()
    iqr: float | None = None
    conditions: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] | None = None
    message: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Setting:
    """A column's setting, as far as it is known before any candidate is: for `MetricSpec.check` and `.conditions`."""

    options: Mapping[str, object]
    input_shapes: tuple[tuple[int, int, int], ...]  # every (channels, height, width) that the study can propose
    classes: int
    runtimes: RuntimeRegistry = field(default_factory=RuntimeRegistry)


@dataclass(frozen=True)
class Answer:
    """What a metric says of a setting: why it refuses, what else its values depend on, what the user should know."""

    refusal: str | None
    conditions: Mapping[str, object]
    notice: str


@dataclass
class MetricContext:
    """One candidate, as a metric sees it.

    `options` are the study's `[columns.NAME]` over the metric's defaults. `build_network` is called at most once;
    the module that it returns is fresh and seeded for this metric alone, in train mode, on the CPU. `known_cost` is
    what the search has counted already, for `cost`.
    """

    arch: Architecture
    input_shape: tuple[int, int, int]
    options: Mapping[str, object]
    seed: int
    device: str
    build_network: Callable[[], nn.Module]
    runtimes: RuntimeRegistry = field(default_factory=RuntimeRegistry)
    curve: list[tuple[int, float]] = field(default_factory=list)
    stop_rule: Callable[[Sequence[tuple[int, float]]], bool] = lambda curve: False
    on_report: Callable[[int, float], None] = lambda step, value: None
    on_phase: Callable[[str, float | None], None] = lambda name, limit_s: None
    known_cost: Cost | None = None

    @property
    def cost(self) -> Cost:
        """The candidate's parameters, MACs, FLOPs, ..., counted with every block that the study knows; needs no
        network, and so a free metric may use it.

        Raises:
            MeasureError: whoever made this context told none.
        """
        if self.known_cost is None:
            raise MeasureError("this context was made without known_cost")
        return self.known_cost

    @cached_property
    def network(self) -> nn.Module:
        """The candidate as a module, built when first asked for."""
        return self.build_network()

    def report(self, step: int, value: float) -> None:
        """Tells an intermediate value of a metric that learns."""
        self.curve.append((step, value))
        self.on_report(step, value)

    def phase(self, name: str, limit_s: float | None = None) -> None:
        """Tells what begins now ("timing"): a metric that takes longer than `limit_s` seconds before its next phase, or
        its end, has hung, and is ended with the outcome `timeout`. None: it may take as long as it likes.
        """
        self.on_phase(name, limit_s)

    def should_stop(self) -> bool:
        """Whether the study has seen enough of this candidate's curve."""
        return self.stop_rule(self.curve)


def no_objection(setting: Setting) -> str | None:
    """The default `check`: every setting is fine."""
    return None


def no_notice(setting: Setting) -> str:
    """The default `notice`: there is nothing to tell."""
    return ""


def no_conditions(setting: Setting) -> Mapping[str, object]:
    """The default `conditions`: the value depends on the network, the options and the seed alone."""
    return {}


@dataclass(frozen=True)
class MetricSpec:
    """One thing that a column of a report can hold.

    Attributes:
        name: what study files call it.
        unit: of the value, such as "ms".
        direction: which way is better; an objective the other way round is an error.
        version: raise it when the same network begins to get another value.
        compute: `compute(context)` returns the value, or an `Estimate` where there is an interval.
        cost: "free" where the value follows from `context.arch` and `context.cost` alone, exactly and at once.
        options: option -> default value. A mapping makes every other key of `[columns.NAME]` an error;
            None takes any.
        check: why this setting is refused (a folder that is missing, ...), or None. Asked before a study starts.
        conditions: what else the value depends on (a fingerprint of the data, of the machine): part of its cache key.
        notice: what the user should be told of this setting before the study starts ("no CUDA device: ..."), or "".
        seeded: whether the seed changes the value.
        noisy: whether the value differs from process to process, as times do: the last phase of a run measures the
            front again, in several fresh processes. Its values are above 0.
    """

    name: str
    unit: str
    direction: Literal["minimize", "maximize"]
    version: int
    compute: Callable[[MetricContext], float | Estimate]
    cost: Literal["free", "cheap", "expensive"] = "expensive"
    options: Mapping[str, object] | None = None
    check: Callable[[Setting], str | None] = no_objection
    conditions: Callable[[Setting], Mapping[str, object]] = no_conditions
    notice: Callable[[Setting], str] = no_notice
    seeded: bool = True
    noisy: bool = False


def ask_setting(spec: MetricSpec, setting: Setting) -> Answer:
    """What the metric says of a column's setting. Raises whatever the metric raises."""
    if (refusal := spec.check(setting)) is not None:
        return Answer(str(refusal), {}, "")
    return Answer(None, dict(spec.conditions(setting)), str(spec.notice(setting)))


def ask(spec: MetricSpec, context: MetricContext) -> Estimate:
    """What the metric says of a candidate, in values that a database and a pipe can hold.

    Raises:
        TypeError: that is no number and no `Estimate`, or there is something in it that cannot be kept.
        BaseException: whatever the metric raises.
    """
    found = as_estimate(spec.compute(context), spec.name)
    try:
        conditions: Any = plain(found.conditions)
        environment: Any = plain(found.environment)
        float(str(conditions.get("reference_ratio") or 1))
    except (StoreError, ValueError) as error:
        what = "conditions or environment of its Estimate"
        raise TypeError(f"metric '{spec.name}': {what}: {error}") from None
    return replace(found, conditions=conditions, environment=environment)


def as_estimate(value: object, metric: str) -> Estimate:
    """What a metric returned, as an `Estimate` of floats.

    Raises:
        TypeError: it is neither a number nor an `Estimate`, or something in the `Estimate` is of another type.
    """
    estimate = value if isinstance(value, Estimate) else None
    number = estimate.value if estimate else value
    try:
        number = float(number)  # type: ignore[arg-type]  # numpy and torch scalars are welcome
    except (TypeError, ValueError):
        raise TypeError(f"metric '{metric}' must return a number or an Estimate, got {type(value).__name__}") from None
    if estimate is None:
        return Estimate(number)
    for name, kind in (("conditions", Mapping), ("environment", Mapping | None), ("message", str)):
        if not isinstance(found := getattr(estimate, name), kind):
            raise TypeError(f"metric '{metric}': {name} of its Estimate cannot be a {type(found).__name__}")
    if estimate.n is not None and (isinstance(estimate.n, bool) or not isinstance(estimate.n, int) or estimate.n < 0):
        raise TypeError(f"metric '{metric}': n of its Estimate must be a whole number, got {estimate.n!r}")
    return replace(
        estimate, value=number, low=_end(estimate.low, "low", metric), high=_end(estimate.high, "high", metric),
        iqr=_end(estimate.iqr, "iqr", metric), samples=_samples(estimate.samples, metric),
    )


def _end(value: object, name: str, metric: str) -> float | None:
    try:
        return None if value is None else float(value)  # type: ignore[arg-type]  # as above
    except (TypeError, ValueError):
        raise TypeError(f"metric '{metric}': {name} of its Estimate must be a number, got {type(value).__name__}"
                        ) from None


def _samples(values: Sequence[object], metric: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, values))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"metric '{metric}': samples of its Estimate must be numbers") from None


def is_finite(value: float | None) -> bool:
    """Whether the value is there and neither NaN nor infinite."""
    return value is not None and math.isfinite(value)


def broken_contract(spec: object) -> str | None:
    """What is wrong with a metric spec that a plugin handed over, or None."""
    if not isinstance(spec, MetricSpec):
        return f"nas_metrics must give MetricSpec values, got {type(spec).__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        return f"metric name {spec.name!r} must be lower case letters, digits and underscores"
    if spec.name in FIXED_COLUMNS:
        return f"metric name '{spec.name}' is a fixed column of every report; choose another name"
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        return f"metric '{spec.name}': version {spec.version!r} must be a whole number from 1"
    if spec.direction not in ("minimize", "maximize"):
        return f"metric '{spec.name}': direction {spec.direction!r} must be 'minimize' or 'maximize'"
    if spec.cost not in ("free", "cheap", "expensive"):
        return f"metric '{spec.name}': cost {spec.cost!r} must be 'free', 'cheap' or 'expensive'"
    if not isinstance(spec.unit, str):
        return f"metric '{spec.name}': unit {spec.unit!r} must be a text"
    for hook in ("compute", "check", "conditions", "notice"):
        if not callable(getattr(spec, hook)):
            return f"metric '{spec.name}': {hook} must be callable, got {getattr(spec, hook)!r}"
    if (problem := _broken_options(spec.options)) is not None:
        return f"metric '{spec.name}': {problem}"
    return None


def _broken_options(options: object) -> str | None:
    if options is None:
        return None
    if not isinstance(options, Mapping):
        return f"options must be a mapping of names to default values, or None, got {type(options).__name__}"
    for name in options:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return f"option name {name!r} must be lower case letters, digits and underscores"
        if name in KEYS_OF_EVERY_COLUMN:
            return f"option '{name}' is a key of every column; choose another name"
    return None


class MetricRegistry(Registry[MetricSpec]):
    """The metrics that are known; raises `PluginError` for one that is not."""

    kind = "metric"
    broken_contract = staticmethod(broken_contract)
