"""Study files: TOML in, a frozen `StudySpec` out, and errors that name file, key, value and remedy.

What the file says is checked here as far as that needs no plugin. Whether the blocks exist and accept their choices
is asked by `nas.space` and `nas.search.preflight`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from nas.arch import MAX_REPEATS, MAX_SIZE, NAME, Head, Norm, Stem
from nas.choices import Choice, shown
from nas.errors import SpecError, nearest
from nas.keys import Activations, Channels, Choices, Flags, Kernels, Rates, Strides, bounded, listed
from nas.outcomes import COST_COLUMNS, FIXED_COLUMNS

SAMPLERS = ("auto", "costaware", "tpe", "nsga2", "gp", "random")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


class StudySection(_Section):
    """`[study]`: its name, its size, and who proposes candidates."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$")]
    trials: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = 100
    sampler: StrictStr = "auto"
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 0
    durability: Literal["normal", "full"] = "normal"


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


def load_spec(study: str | Path | StudySpec) -> StudySpec:
    """The study that a TOML file describes.

    Raises:
        SpecError: the file cannot be read, is not TOML, or says something that cannot be meant.
    """
    if isinstance(study, StudySpec):
        return study
    path = Path(study)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except IsADirectoryError:
        raise SpecError(f"{path}: a study is a TOML file, this is a directory") from None
    except FileNotFoundError:
        raise SpecError(f"{path}: there is no such study file") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot read this study file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}: a study is a TOML file in UTF-8, this is neither") from None
    except ValueError:
        raise SpecError(f"{str(path)!r}: a path cannot hold a NUL character") from None
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise SpecError(f"{path}: not valid TOML: lists or tables are nested too deep") from None
    except ValueError as error:  # of which a TOMLDecodeError is one, and an integer too long for Python another
        raise SpecError(f"{path}: not valid TOML: {str(error).partition('; use sys.')[0]}") from None
    return parse_spec(data, str(path))


def parse_spec(data: Mapping[str, object], source: str = "study") -> StudySpec:
    """The study that `data`, a TOML file's content, describes; `source` names it in messages.

    Raises:
        SpecError: it says something that cannot be meant.
    """
    if "source" in data:
        raise SpecError(f"{source}: source: unknown key")
    try:
        spec = StudySpec.model_validate({**data, "stages": _stages(data, source), "source": source})
    except ValidationError as error:
        raise SpecError("\n".join(f"{source}: {_told(detail)}" for detail in error.errors()[:5])) from None
    _check_meaning(spec)
    return spec


def _stages(data: Mapping[str, object], source: str) -> object:
    """Stage tables as sections: their free keys are read one by one, so that a message can name them."""
    stages = data.get("stages")
    if not isinstance(stages, list) or not all(isinstance(stage, Mapping) for stage in stages):
        raise SpecError(f"{source}: stages: a study needs at least one [[stages]] table")
    sections = []
    for position, stage in enumerate(stages):
        try:
            sections.append(StageSection(**stage))
        except ValidationError as error:
            lines = [f"{source}: {_told(detail, f'stages[{position}]')}" for detail in error.errors()[:5]]
            raise SpecError("\n".join(lines)) from None
        except SpecError as error:
            raise SpecError(f"{source}: stages[{position}].{error}") from None
    return sections


def _told(detail: ErrorDetails, prefix: str = "") -> str:
    """One validation error in our words: where, what, and what would do."""
    place = prefix
    for part in detail["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif re.fullmatch(r"[\w\-]+", part):
            place += f".{part}" if place else part
    place = place or "study"
    value = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key{nearest(str(detail['loc'][-1]), _known_keys(detail['loc']))}"
        case "missing":
            return f"{place}: missing; the study needs it"
        case "value_error":
            return f"{place}: {detail['ctx']['error']}"
        case "model_type" | "dict_type":
            return f"{place}: must be a table, got {shown(value)}"
        case "tuple_type":
            return f"{place}: must be a list, got {shown(value)}"
        case "too_short":
            return f"{place}: empty; the study needs at least one"
        case "string_pattern_mismatch":
            return f"{place}: {shown(value)} must be at most 100 letters, digits and _ . -, a letter or digit first"
        case _:
            return f"{place}: {detail['msg']}, got {shown(value)}"


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    section: Any = StudySpec
    for part in loc[:-1]:
        fields = getattr(section, "model_fields", {})
        section = fields[part].annotation if part in fields else None
    return [key for key in getattr(section, "model_fields", {}) if key != "source"]


def _check_meaning(spec: StudySpec) -> None:
    """What types alone cannot say."""
    if spec.study.sampler not in SAMPLERS:
        raise spec.error(
            "study.sampler",
            f"unknown sampler {shown(spec.study.sampler)}{nearest(spec.study.sampler, SAMPLERS)};"
            f" there are {', '.join(SAMPLERS)}",
        )
    for size in spec.input.shape:
        if not 1 <= size <= 8192:
            given = shown(list(spec.input.shape))
            raise spec.error("input.shape", f"[channels, height, width] from 1 to 8192, got {given}")
    if spec.input.resolution and spec.input.shape[1] != spec.input.shape[2]:
        raise spec.error("input.resolution", f"searches square inputs, but input.shape is {list(spec.input.shape)}")
    _check_network(spec)
    for name in spec.columns:
        if name in FIXED_COLUMNS:
            raise spec.error(f"columns.{name}", f"'{name}' is a fixed column of every report; choose another name")
        if not NAME.fullmatch(name):
            raise spec.error(f"columns.{name}", "a column's name is lower case letters, digits and underscores")
    names = dict.fromkeys([*spec.objectives, *spec.constraints, *spec.columns])
    for name in names:
        if (of := re.sub("(_verified)?(_(low|high))?$", "", name)) != name and of in names and of not in COST_COLUMNS:
            where = next(key for key in ("columns", "objectives", "constraints") if name in getattr(spec, key))
            what = "what is verified" if "_verified" in name else "an end of the interval"
            raise spec.error(f"{where}.{name}", f"in a report, {what} of '{of}' is named so; choose another name for "
                             "one of the two columns")
    for name in (*spec.objectives, *spec.constraints):
        if name in FIXED_COLUMNS and name not in COST_COLUMNS:
            where = "objectives" if name in spec.objectives else "constraints"
            raise spec.error(
                f"{where}.{name}",
                f"'{name}' is no number to compare; of the fixed columns there are {', '.join(COST_COLUMNS)}",
            )
    for name, direction in spec.objectives.items():
        if name in COST_COLUMNS and direction != "minimize":
            raise spec.error(f"objectives.{name}", f'{name} is better the smaller it is: write "minimize"')
    try:
        bounds = spec.bounds
    except SpecError as error:
        raise SpecError(f"{spec.source}: {error}") from None
    for name in spec.constraints:
        _check_consistent(spec, name, [bound for bound in bounds if bound.column == name])


def _check_network(spec: StudySpec) -> None:
    """What the keys of `[network]` do not check by themselves."""
    try:
        Norm(spec.network.norm.eps, spec.network.norm.momentum)
    except SpecError as error:
        raise SpecError(f"{spec.source}: network.{error}") from None


def _check_consistent(spec: StudySpec, name: str, bounds: list[Bound]) -> None:
    if not bounds:
        raise spec.error(f"constraints.{name}", "an empty list bounds nothing; give a bound, or leave the key out")
    lows = [bound.bound for bound in bounds if bound.operator == ">="]
    highs = [bound.bound for bound in bounds if bound.operator == "<="]
    if lows and highs and max(lows) > min(highs):
        raise spec.error(f"constraints.{name}", f"nothing can be >= {max(lows):g} and <= {min(highs):g}")
    if len(set(map(str, bounds))) < len(bounds):
        raise spec.error(f"constraints.{name}", "a bound is given twice")
