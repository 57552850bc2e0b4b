"""What the types of the keys alone cannot say: names that are taken, bounds that nothing keeps."""

from __future__ import annotations

import re

from nas.arch import NAME, Norm
from nas.choices import shown
from nas.errors import SpecError, nearest
from nas.outcomes import COST_COLUMNS, FIXED_COLUMNS
from nas.spec.sections import SAMPLERS, Bound, StudySpec


def check_meaning(spec: StudySpec) -> None:
    """Raises `SpecError` for the first key that cannot be meant; file, key and value are named."""
    if spec.study.sampler not in SAMPLERS:
        raise spec.error(
            "study.sampler",
            f"unknown sampler {shown(spec.study.sampler)}{nearest(spec.study.sampler, SAMPLERS)};"
            f" there are {', '.join(SAMPLERS)}",
        )
    if spec.study.warm_start == spec.study.name:
        raise spec.error("study.warm_start", f"'{spec.study.name}' is this study itself; name an older one")
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
