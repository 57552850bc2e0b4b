"""A study's frozen spec, written as the TOML file that runs it again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")


_OPTIONAL = ("plugins", "constraints", "columns")
_CHOICES = ("network", "stages", "constraints")
"""Tables whose keys take a value or a list: one choice is written bare, as people do."""


def study_file(spec: Mapping[str, object]) -> str:
    """TOML of a snapshot. Keys without a value are left out: TOML has none, and a study file means the same; so are
    the optional tables, and lists of `[study]`, that hold nothing.
    """
    lines: list[str] = []
    _table({key: value for key, value in spec.items() if value or key not in _OPTIONAL}, (), lines)
    return "\n".join(lines).strip() + "\n"


def _table(table: Mapping[str, object], place: tuple[str, ...], lines: list[str]) -> None:
    below: list[tuple[str, object]] = []
    for key, value in table.items():
        if _is_table(value) or _is_tables(value):
            below.append((key, value))
        elif value is not None and (value != [] or place != ("study",)):
            lines.append(f"{_key(key)} = {_value(_bare(value) if place[:1] and place[0] in _CHOICES else value)}")
    for key, value in below:
        name = ".".join(map(_key, (*place, key)))
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]"]
            _table(value, (*place, key), lines)
        elif isinstance(value, Sequence):
            for item in value:
                lines += ["", f"[[{name}]]"]
                _table(item, (*place, key), lines)


def _bare(value: object) -> object:
    single = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1
    return value[0] if single else value  # type: ignore[index]  # a sequence


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(item) for item in value if item is not None) + "]"
    return _text(str(value))


def _text(text: str) -> str:
    """A basic string in ASCII alone, so that nothing in it can act on a terminal or a reader."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    point = ord(character)
    if character in '"\\':
        return "\\" + character
    if 0x20 <= point < 0x7F:
        return character
    if 0xD800 <= point < 0xE000:  # half of a surrogate pair: no character, and none of TOML's
        return "\\ufffd"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
