"""Checks of a column's options, shared by the metrics that train and probe networks."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nas.errors import SpecError


def number(options: Mapping[str, object], name: str, least: float, above: bool = False) -> float:
    """The option as a float, from `least` on, or above it.

    Raises:
        SpecError: it is no finite number, or too small.
    """
    value = options[name]
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < least or (above and value == least):  # type: ignore[operator]  # a number where it is good
        raise SpecError(f"{name} = {value!r} must be a number {'above' if above else 'from'} {least:g}")
    return float(value)  # type: ignore[arg-type]  # likewise


def whole(options: Mapping[str, object], name: str, least: int) -> int:
    """The option as an int, from `least` on.

    Raises:
        SpecError: it is no whole number, or too small.
    """
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(f"{name} = {value!r} must be a whole number from {least}")
    return value


def text(options: Mapping[str, object], name: str) -> str:
    """The option as a text.

    Raises:
        SpecError: it is none.
    """
    value = options[name]
    if not isinstance(value, str):
        raise SpecError(f"{name} = {value!r} must be a text")
    return value
