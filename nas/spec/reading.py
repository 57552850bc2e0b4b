"""A study file read: TOML in, a `StudySpec` out, and errors that name file, key, value and remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nas.choices import shown
from nas.errors import SpecError, nearest
from nas.spec.meaning import check_meaning
from nas.spec.sections import StageSection, StudySpec


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
    check_meaning(spec)
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
