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


def to_eights(channels: float) -> int:
    """The nearest multiple of 8, one more where that loses over a tenth: how mobile networks round their widths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8
