"""How the papers' tables are written here."""

from __future__ import annotations

from collections.abc import Sequence

from nas.arch import Stage

Row = tuple[str, int, int, int, int, float, float]
"""Block, repeats, channels, stride, kernel, expand, se."""


def stages_of(rows: Sequence[Row]) -> tuple[Stage, ...]:
    """The stages that rows of a table are."""
    return tuple(
        Stage(block, 1, repeats, channels, stride, {"kernel": kernel, "expand": expand, "se": se})
        for block, repeats, channels, stride, kernel, expand, se in rows
    )
