"""Checks of a column's options, shared by the metrics that train and probe networks."""

from __future__ import annotations

from collections.abc import Mapping

from nas.choices import shown
from nas.errors import SpecError

LARGEST = 1e12
"""Of any number."""
MOST = 65_536
"""Of any count: images in a batch."""


def number(options: Mapping[str, object], name: str, least: float, above: bool = False) -> float:
    """The option as a float, from `least` on, or above it.

    Raises:
        SpecError: it is no finite number, too small, or past any that can be meant.
    """
    value = options[name]
    good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= LARGEST
    if not good or (above and value == least):
        raise SpecError(f"{name} = {shown(value)} must be a number "
                        f"{'above' if above else 'from'} {least:g}, at most {LARGEST:g}")
    return float(value)  # type: ignore[arg-type]  # a number where it is good


def whole(options: Mapping[str, object], name: str, least: int) -> int:
    """The option as an int, from `least` on.

    Raises:
        SpecError: it is no whole number, too small, or past any that can be meant.
    """
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
        raise SpecError(f"{name} = {shown(value)} must be a whole number from {least} to {MOST}")
    return value


def text(options: Mapping[str, object], name: str) -> str:
    """The option as a text.

    Raises:
        SpecError: it is none.
    """
    value = options[name]
    if not isinstance(value, str):
        raise SpecError(f"{name} = {shown(value)} must be a text")
    return value
