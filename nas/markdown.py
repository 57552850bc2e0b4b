"""What Markdown pages are made of; whatever text of others stands in them stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from nas.text import one_line

_PRIVATE = ("host", "state", "process")
"""What an environment says of the machine's name and of that moment: not for a page that is passed on."""


def in_markdown(text: object) -> str:
    """Text that stands for itself in Markdown and in the HTML that is made of it."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]{}|~#!$])", r"\\\1", line)


def as_code(text: object) -> str:
    """Text as code in Markdown, in tables too."""
    line = one_line(text).replace("`", "'").replace("|", "\\|")
    return f"`{line}`" if line else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """The lines of a table. The cells of `rows` are Markdown already; the columns at `right` are set to the right."""
    numbers = set(right)
    rules = ["---:" if place in numbers else "---" for place in range(len(header))]
    lines = ([in_markdown(cell) for cell in header], rules, *rows)
    return [f"| {' | '.join(cells)} |" for cells in lines]


def of_environment(environment: Mapping[str, object]) -> str:
    """The machine in words, without what says whose it is or what it did at that moment."""
    return ", ".join(
        f"{in_markdown(name)} {in_markdown(_released(name, value))}" for name, value in environment.items()
        if name not in _PRIVATE and isinstance(value, str | int | float)
    )


def _released(name: str, value: object) -> object:
    """An operating system by its public version, without what a provider has added to it."""
    public = re.match(r"\w+ \d+(\.\d+)*", str(value)) if name == "os" else None
    return public[0] if public else value
