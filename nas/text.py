"""Text of others on pages and in tables: made inert, whatever a database or a network's name holds."""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: terminals act on them
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions: what is shown is not what is there
    "\u2028\u2029\ufeff\ud800-\udfff]"
)
_BREAKS = re.compile(r"[\t\r\n\u2028\u2029]+")

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the begin of a formula; the last four are the full-width ones."""


def one_line(text: object) -> str:
    """Text without control characters: breaks become spaces, the others go."""
    return _CONTROLS.sub("", _BREAKS.sub(" ", str(text))).strip()


def in_spreadsheet(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a leading apostrophe says that it is text."""
    line = one_line(text)
    return f"'{line}" if line.startswith(FORMULA) else line


def several(number: int, thing: str) -> str:
    """`1 network`, `2 networks`, `3 processes`."""
    plural = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number} {thing}{plural}"
