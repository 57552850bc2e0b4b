"""How pictures look here: self-contained SVG text, its colours, and where labels go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
