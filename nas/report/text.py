"""Text of others in reports: made inert, whatever a database holds."""

from __future__ import annotations

import math
import re

from nas.numbers import count

__all__ = ["as_code", "count", "in_markdown", "in_spreadsheet", "one_line", "rounded"]

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


def in_markdown(text: object) -> str:
    """Text that stands for itself in Markdown and in the HTML that is made of it."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]{}|~#!$])", r"\\\1", line)


def as_code(text: object) -> str:
    """Text as code in Markdown, in tables too."""
    line = one_line(text).replace("`", "'").replace("|", "\\|")
    return f"`{line}`" if line else ""


def rounded(value: float) -> str:
    """A number as a person reads it: four significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.4g}"
