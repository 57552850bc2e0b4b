"""What a block parameter can be: None, bool, int, float or str, as values that compare and print in one way only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

from nas.errors import SpecError

Choice: TypeAlias = bool | int | float | str | None
"""A value of a block parameter. Optuna stores no other types, and so a rectangular kernel is the str "1x7"."""

_BARE_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NUMBER = re.compile(r"-?(\d+)(\.\d+)?(e[+-]?\d+)?")
_KEYWORDS: Mapping[str, Choice] = {"none": None, "true": True, "false": False}
_MAX_NUMBER = 32
MAX_WHOLE = 2**53
"""Past it a float no longer tells a whole number from its neighbour, and 4 and 4.0 could not be one value."""


def normalise(value: object) -> Choice:
    """The one representative of equal choices: 4.0 is 4, and a member of a subclass (numpy's float64) is plain.

    Raises:
        SpecError: the value is not None, bool, int, float or str, is not finite, or is a whole number past 2**53.
    """
    if value is None or type(value) in (bool, str):
        return value  # type: ignore[return-value]  # one of these
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if abs(value) > MAX_WHOLE:
            raise SpecError(f"a whole number of {value.bit_length()} bits is past 2**53; write it as a text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpecError(f"{value} is not a finite number")
        return int(value) if value.is_integer() and abs(value) <= MAX_WHOLE else float(value)
    raise SpecError(f"a choice is None, bool, int, float or str, not {type(value).__name__}: {shown(value)}")


@lru_cache(maxsize=4096, typed=True)  # typed: True == 1, and their texts differ
def format_choice(value: Choice) -> str:
    """The canonical text of a choice: `none`, `true`, `3`, `0.25`, `se`, `"1x7"`."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    return value if _BARE_WORD.fullmatch(value) and value not in _KEYWORDS else json.dumps(value)


def shown(value: object) -> str:
    """Any value as a message shows it: one line, short, and nothing in it that acts on a terminal."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:  # a list that holds an integer of more digits than Python prints
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def told(choice: Choice) -> str:
    """A choice as a message shows it: `none`, `true`, `3`, 'text'."""
    return format_choice(choice) if choice is None or isinstance(choice, bool) else shown(choice)


def parse_choice(text: str) -> Choice:
    """The inverse of `format_choice`.

    Raises:
        SpecError: the text is no choice.
    """
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _BARE_WORD.fullmatch(text):
        return text
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            raise SpecError(f"{text[:40]} is not a quoted string") from None
        if isinstance(value, str):
            return value
    number = _NUMBER.fullmatch(text)
    if number and len(text) <= _MAX_NUMBER:
        return normalise(float(text) if number[2] or number[3] else int(text))
    raise SpecError(f"{text[:40]!r} is not none, true, false, a number, a word or a quoted string")


class Params(Mapping[str, Choice]):
    """A frozen, hashable mapping of parameter names to choices, ordered by name; equal where its text is equal.

    Python holds True == 1, so two mappings that build different networks could compare equal; here they do not.
    """

    __slots__ = ("_items", "_text")

    def __init__(self, items: Mapping[str, object] | None = None) -> None:
        self._items: dict[str, Choice] = {name: normalise(value) for name, value in sorted((items or {}).items())}
        self._text = ",".join(f"{name}={format_choice(value)}" for name, value in self._items.items())

    def __getitem__(self, name: str) -> Choice:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Params) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Params({self._items!r})"
