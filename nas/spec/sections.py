"""The tables of a study file as values: what their keys are, and what each may hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from nas.arch import MAX_REPEATS, MAX_SIZE, Head, Norm, Stem
from nas.choices import Choice, shown
from nas.errors import SpecError
from nas.keys import Activations, Channels, Choices, Flags, Kernels, Rates, Strides, bounded, listed

SAMPLERS = ("auto", "costaware", "tpe", "nsga2", "gp", "random")

StudyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


class StudySection(_Section):
    """`[study]`: its name, its size, who proposes candidates, and what it begins with."""

    name: StudyName
    trials: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 100
    timeout: Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = None
    patience: Annotated[StrictInt, Field(ge=1, le=10_000_000)] | None = None
    sampler: StrictStr = "auto"
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 0
    durability: Literal["normal", "full"] = "normal"
    enqueue: tuple[StrictStr, ...] = ()
    warm_start: StudyName | None = None


class InputSection(_Section):
    """`[input]`: what the network takes in, and how many classes it tells apart."""

    shape: Annotated[
        tuple[StrictInt, StrictInt, StrictInt], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
    ]
    resolution: Annotated[tuple[int, ...], bounded("resolutions", 1, 8192)] | None = None
    classes: Annotated[StrictInt, Field(ge=1, le=MAX_SIZE)] = 1000


class NormSection(_Section):
    """`[network] norm`."""

    eps: StrictFloat = Norm.eps
    momentum: StrictFloat = Norm.momentum


class StemSection(_Section):
    """`[network] stem`; each key takes a value or a list."""

    channels: Channels = (Stem.channels,)
    kernel: Kernels = (Stem.kernel,)
    stride: Strides = (Stem.stride,)
    pool: Flags = (Stem.pool,)
    act: Activations | None = None


class HeadSection(_Section):
    """`[network] head`; each key takes a value or a list."""

    channels: Annotated[tuple[int, ...], bounded("channels", 0, MAX_SIZE)] = (Head.channels,)
    hidden: Annotated[tuple[int, ...], bounded("hidden", 0, MAX_SIZE)] = (Head.hidden,)
    dropout: Rates = (Head.dropout,)
    act: Activations | None = None


class NetworkSection(_Section):
    """`[network]`: what all blocks share. Every key has a default, the ones of EfficientNetV2."""

    act: Activations = ("silu",)
    norm: NormSection = NormSection()
    stem: StemSection = StemSection()
    head: HeadSection = HeadSection()
    drop_path: Rates = (0.2,)


class StageSection(_Section):
    """One `[[stages]]` table. Keys beside these are block parameters, or tables of one block's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    block: Choices
    repeats: Annotated[tuple[int, ...], bounded("repeats", 0, MAX_REPEATS)] = (1,)
    channels: Channels
    stride: Strides = (1,)

    @property
    def named(self) -> Mapping[str, tuple[Choice, ...]]:
        """Block parameters that the stage names for all of its blocks."""
        return {k: v for k, v in (self.__pydantic_extra__ or {}).items() if isinstance(v, tuple)}

    @property
    def tables(self) -> Mapping[str, Mapping[str, tuple[Choice, ...]]]:
        """Block -> parameters that the stage names for this block alone."""
        return {k: v for k, v in (self.__pydantic_extra__ or {}).items() if isinstance(v, dict)}

    def __init__(self, **data: object) -> None:
        for key in list(data):
            if key not in type(self).model_fields:
                data[key] = _own_key(key, data[key])
        super().__init__(**data)


class Bound(_Section):
    """One side of a constraint: `value <operator> bound`, inclusive, in the column's unit."""

    column: str
    operator: Literal["<=", ">="]
    bound: float

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.bound:.12g}"

    def violation(self, value: float) -> float:
        """How far `value` is outside, relative to the bound: positive where it is broken, at most 0 where it holds."""
        excess = value - self.bound if self.operator == "<=" else self.bound - value
        return excess / (abs(self.bound) or 1.0)


class ColumnSection(_Section):
    """`[columns.NAME]`: a metric, by default the one of the column's own name, and its options; and how long it may
    take for one candidate, which is no condition of its values.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    metric: StrictStr | None = None
    timeout_s: Annotated[StrictFloat | StrictInt, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def options(self) -> Mapping[str, object]:
        """What the table says beside `metric` and `timeout_s`."""
        return dict(self.__pydantic_extra__ or {})


def _bound_texts(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list | tuple) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(  # noqa: TRY004  # pydantic collects ValueErrors
                f'{text!r} is not a bound; write "<= x" or ">= x", in quotes, or a list of these'
            )
    return tuple(texts)


class StudySpec(_Section):
    """A study file as a value."""

    study: StudySection
    input: InputSection
    network: NetworkSection = NetworkSection()
    stages: Annotated[tuple[StageSection, ...], Field(min_length=1)]
    objectives: Annotated[dict[str, Literal["minimize", "maximize"]], Field(min_length=1)]
    constraints: dict[str, Annotated[tuple[str, ...], BeforeValidator(_bound_texts)]] = {}
    columns: dict[str, ColumnSection] = {}
    plugins: tuple[StrictStr, ...] = ()
    source: str = Field(default="study", exclude=True)

    def error(self, place: str, message: object) -> SpecError:
        """The error of a key of this file."""
        return SpecError(f"{self.source}: {place}: {message}")

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """Every constraint, in the order of the file."""
        return tuple(_bound(name, text) for name, texts in self.constraints.items() for text in texts)

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """The local plugins, relative to the study file."""
        return tuple(Path(self.source).parent / plugin for plugin in self.plugins)


def _own_key(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _listed(f"{key}.{name}", item) for name, item in value.items()}
    return _listed(key, value)


def _listed(key: str, value: object) -> tuple[Choice, ...]:
    try:
        return listed(value)
    except ValueError as error:
        raise SpecError(f"{key}: {error}") from None


_BOUND = re.compile(r"\s*(<=|>=)\s*(\S+)\s*")


def _bound(column: str, text: str) -> Bound:
    match = _BOUND.fullmatch(text)
    try:
        value = float(match[2]) if match else math.nan
    except ValueError:
        value = math.nan
    if not match or not math.isfinite(value) or value < 0:
        raise SpecError(f'constraints.{column}: {shown(text)} is not a bound; '
                        'write "<= x" or ">= x" with a finite x from 0')
    return Bound(column=column, operator=match[1], bound=value)  # type: ignore[arg-type]  # the pattern knows them
