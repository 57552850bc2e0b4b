"""How pictures look here: self-contained SVG text, its colours, and where labels go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product

GREY, RED, BLUE, INK, GRID = "#9aa3ad", "#d1495b", "#2f6f9f", "#24292f", "#e6e8eb"
FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"


def document(width: int, height: int, body: Iterable[str]) -> str:
    """An SVG of this size in pixels, on white: any browser and any Markdown page shows it."""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{FONT}" font-size="12" fill="{INK}">'
    )
    return "\n".join([opening, f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *body, "</svg>", ""])


def labels(texts: Sequence[str], points: Sequence[tuple[float, float]]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Where each label goes so that it lies at no other point and over no other label; one that has no such place is
    left out, and stands in its point's title alone.
    """
    taken: list[tuple[float, float, float, float]] = []
    for place, (text, (across, up)) in enumerate(zip(texts, points, strict=True)):
        others = [(x - 12, y - 18, x + 12, y + 18) for at, (x, y) in enumerate(points) if at != place]
        width = 6.0 * len(text)
        for left, base in ((across + 7, up - 6), (across - 7 - width, up - 6), (across + 7, up + 14),
                           (across - 7 - width, up + 14), (across - width / 2, up - 10), (across - width / 2, up + 18)):
            box = (left, base - 9, left + width, base)
            if all(box[2] < x1 or x2 < box[0] or box[3] < y1 or y2 < box[1] for x1, y1, x2, y2 in (*others, *taken)):
                taken.append(box)
                yield text, (left, base)
                break


def frame(
    plot: Box,
    across: Iterable[tuple[float, str]],
    up: Iterable[tuple[float, str]],
    names: tuple[str, str],
) -> Iterator[str]:
    """The axes of a plot with their grid.

    Args:
        plot: its edges in pixels.
        across, up: pixel and text of each tick.
        names: of what is drawn across and of what is drawn upwards.
    """
    left, top, right, bottom = plot
    for x, text in across:
        yield f'<path d="M{x:.1f} {top:g}V{bottom:g}" stroke="{GRID}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18:g}" text-anchor="middle">{escape(text)}</text>'
    for y, text in up:
        yield f'<path d="M{left:g} {y:.1f}H{right:g}" stroke="{GRID}"/>'
        yield f'<text x="{left - 8:g}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
    centre, middle = (left + right) // 2, (top + bottom) // 2
    yield f'<path d="M{left:g} {top:g}V{bottom:g}H{right:g}" fill="none" stroke="{INK}"/>'
    yield f'<text x="{centre:g}" y="{bottom + 42:g}" text-anchor="middle">{escape(names[0])}</text>'
    yield f'<text transform="translate(20 {middle:g}) rotate(-90)" text-anchor="middle">{escape(names[1])}</text>'


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Label:
    """A text on its base line; `x` is its start, middle or end, and `leader` the end of a line that leads to it."""

    text: str
    x: float
    base: float
    anchor: str
    leader: tuple[float, float] | None


def led_labels(
    texts: Sequence[str], points: Sequence[tuple[float, float]], within: Box, size: float = 10.0,
    avoided: Sequence[tuple[float, float]] = (),
) -> Iterator[Label | None]:
    """A label for each point that covers no point and no other label, as near to its point as that can be, with a
    line to it where it lies away; None where there is no such place at all. `avoided` are further points.
    """
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in (*points, *avoided)]
    for text, (x, y) in zip(texts, points, strict=True):
        width, found = 0.56 * size * len(text), None
        for away, turn in product((10, 16, 24, 34, 46, 60, 76, 94), range(16)):
            angle = (turn // 2 if turn % 2 else -(turn // 2)) * math.pi / 8  # from the right, to both sides
            across, down = x + away * math.cos(angle), y - away * math.sin(angle)
            anchor = "start" if math.cos(angle) > 0.3 else "end" if math.cos(angle) < -0.3 else "middle"
            left = across - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
            box = (left - 2, down - size / 2 - 1, left + width + 2, down + size / 2 + 1)
            inside = box[0] >= within[0] and box[1] >= within[1] and box[2] <= within[2] and box[3] <= within[3]
            if inside and not any(_overlap(box, other) for other in taken):
                found = Label(text, across, down + 0.35 * size, anchor, (across, down) if away > 16 else None)
                taken.append(box)
                break
        yield found


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
