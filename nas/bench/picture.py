"""The roofline as a picture: how far each network stands below what the device reaches. SVG text, self-contained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from nas.bench.result import Bench, Row, Timing
from nas.bench.roofline import Roofs
from nas.drawing import BLUE, GREY, RED, document, frame, led_labels
from nas.numbers import count, rounded
from nas.text import one_line

WIDTH, HEIGHT = 860, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 836, 86, 496  # the plot's edges, in pixels
_ROOM = 1.5  # factor that is left free around the points
_SHADE = "#fbf1f2"
_LONGEST_NAME = 28


@dataclass(frozen=True)
class Point:
    """One network at one batch: FLOP a byte, FLOP a second."""

    row: Row
    timing: Timing
    intensity: float
    reached: float


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis, from values to pixels."""

    low: float
    high: float
    pixels: tuple[float, float]

    def at(self, value: float) -> float:
        begin, end = self.pixels
        return begin + (end - begin) * math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def ticks(self) -> list[float]:
        """1, 2 and 5 of each decade, or the decades alone where these are many."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= 5 else (1,)
        return [factor * 10.0**ten for ten in decades for factor in factors
                if self.low <= factor * 10.0**ten <= self.high]


def points_of(bench: Bench) -> list[tuple[Point, Point]]:
    """Of each network that was measured in the last runtime: at the smallest batch, and at that of most images a
    second.
    """
    runtime, found = bench.conditions.runtimes[-1], []
    for row in bench.rows:
        first, best = row.latency(runtime), row.best(runtime)
        if first and best and row.flop(1) and row.traffic(1, bench.conditions.itemsize):
            found.append((_point(bench, row, first), _point(bench, row, best)))
    return found


def _point(bench: Bench, row: Row, timing: Timing) -> Point:
    flop = row.flop(timing.batch)
    intensity = flop / row.traffic(timing.batch, bench.conditions.itemsize)
    return Point(row, timing, intensity, 1e3 * flop / timing.median_ms)


def picture(bench: Bench) -> str:
    """Intensity across, FLOP a second upwards, both logarithmic: the roofs, and each network below them, hollow at the
    first batch and filled at the batch of its most images a second.
    """
    found, pairs = bench.conditions, points_of(bench)
    title = f"{one_line(found.device_name)}, {found.runtimes[-1]}, {found.dtype}"
    if found.kind == "cpu":
        title += f", {found.threads} thread{'s' if found.threads > 1 else ''}"
    body = [f'<text x="{_LEFT}" y="28" font-size="15" font-weight="600">{escape(title)}</text>']
    if not pairs or bench.roofs is None:
        missing = "no roofs were measured" if pairs else "no network was measured"
        body.append(f'<text x="{WIDTH // 2}" y="{HEIGHT // 2}" text-anchor="middle">{missing}</text>')
        return document(WIDTH, HEIGHT, body)
    x, y = _axes(pairs, bench.roofs)
    body += [*_legend(found.batches[0], several=len(found.batches) > 1), *_above(bench.roofs, x, y), *_frame(x, y)]
    body += [*_roofs(bench.roofs, x, y), *_points(pairs, x, y)]
    return document(WIDTH, HEIGHT, body)


def _axes(pairs: Sequence[tuple[Point, Point]], roofs: Roofs) -> tuple[_Axis, _Axis]:
    every = [point for pair in pairs for point in pair]
    across = [point.intensity for point in every]
    up = [point.reached for point in every]
    margin = _ROOM * _ROOM  # on both sides of the ridge too, so that both roofs show
    x = _Axis(min(min(across) / _ROOM, roofs.ridge / margin), max(*across, roofs.ridge) * margin, (_LEFT, _RIGHT))
    return x, _Axis(min(up) / _ROOM, max(*up, roofs.flop_per_s) * _ROOM, (_BOTTOM, _TOP))


def _above(roofs: Roofs, x: _Axis, y: _Axis) -> Iterator[str]:
    """What the device does not reach, shaded."""
    line = " ".join(f"L{across:.1f} {up:.1f}" for across, up in _line(roofs, x, y))
    yield f'<path d="M{_LEFT} {_TOP} {line} L{_RIGHT} {_TOP}Z" fill="{_SHADE}"/>'


def _line(roofs: Roofs, x: _Axis, y: _Axis) -> list[tuple[float, float]]:
    """The corners of the roof, as far as it lies inside the plot."""
    corners = (max(x.low, y.low / roofs.bytes_per_s), roofs.ridge, x.high)
    return [(x.at(value), y.at(roofs.attainable(value))) for value in corners]


def _frame(x: _Axis, y: _Axis) -> Iterator[str]:
    across = [(x.at(value), rounded(value)) for value in x.ticks]
    up = [(y.at(value), count(value)) for value in y.ticks]
    names = "intensity: FLOP a byte of weights and maps", "FLOP a second"
    return frame((_LEFT, _TOP, _RIGHT, _BOTTOM), across, up, names)


def _roofs(roofs: Roofs, x: _Axis, y: _Axis) -> Iterator[str]:
    """The line of what the device reaches, each half with its figure."""
    corners = _line(roofs, x, y)
    path = "L".join(f"{across:.1f} {up:.1f}" for across, up in corners)
    yield f'<path d="M{path}" fill="none" stroke="{RED}" stroke-width="2"/>'
    style = f'font-size="11" fill="{RED}"'
    (x1, y1), (x2, y2), (_, top) = corners
    turned = math.degrees(math.atan2(y2 - y1, x2 - x1))
    at = f"translate({(x1 + x2) / 2:.1f} {(y1 + y2) / 2 - 7:.1f}) rotate({turned:.1f})"
    yield f'<text transform="{at}" text-anchor="middle" {style}>copy: {count(roofs.bytes_per_s)}B/s</text>'
    yield (f'<text x="{_RIGHT - 6}" y="{top - 7:.1f}" text-anchor="end" {style}>'
           f"matrix product: {count(roofs.flop_per_s)}FLOP/s</text>")


def _points(pairs: Sequence[tuple[Point, Point]], x: _Axis, y: _Axis) -> Iterator[str]:
    """Each network: a line from its first batch to its best, the two points, and its name."""
    first = [(x.at(point.intensity), y.at(point.reached)) for point, _ in pairs]
    best = [(x.at(point.intensity), y.at(point.reached)) for _, point in pairs]
    for (x1, y1), (x2, y2) in zip(first, best, strict=True):
        yield f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{BLUE}" stroke-opacity="0.35"/>'
    names = [_short(point.row.network) for _, point in pairs]
    told = list(led_labels(names, best, (_LEFT + 2, _TOP + 2, _RIGHT - 2, _BOTTOM - 2), avoided=first))
    for label, (x2, y2) in zip(told, best, strict=True):
        if label is not None and label.leader is not None:
            to_x, to_y = label.leader
            yield f'<path d="M{x2:.1f} {y2:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{GREY}" stroke-width="0.7"/>'
    for pair, begin, end in zip(pairs, first, best, strict=True):
        if pair[0].timing.batch != pair[1].timing.batch:
            yield _dot(pair[0], begin, f'r="3.5" fill="#ffffff" stroke="{BLUE}" stroke-width="1.3"')
        yield _dot(pair[1], end, f'r="4.5" fill="{BLUE}"')
    for label in told:
        if label is not None:
            yield (f'<text x="{label.x:.1f}" y="{label.base:.1f}" text-anchor="{label.anchor}" font-size="10">'
                   f"{escape(label.text)}</text>")


def _dot(point: Point, at: tuple[float, float], paint: str) -> str:
    told = (f"{one_line(point.row.network)}, batch {point.timing.batch}: {rounded(point.timing.median_ms)} ms, "
            f"{rounded(point.intensity)} FLOP/B, {count(point.reached)}FLOP/s")
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" {paint}><title>{escape(told)}</title></circle>'


def _short(name: str) -> str:
    line = one_line(name)
    return line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME - 3]}..."


def _legend(batch: int, several: bool) -> Iterator[str]:
    entries = [(f"batch {batch}", f'fill="#ffffff" stroke="{BLUE}" stroke-width="1.3"'),
               ("the batch of most images a second", f'fill="{BLUE}"')]
    place = float(_LEFT)
    for text, paint in entries if several else [(f"batch {batch}", f'fill="{BLUE}"')]:
        yield f'<circle cx="{place + 5:.1f}" cy="52" r="4" {paint}/><text x="{place + 15:.1f}" y="56">{text}</text>'
        place += 36 + 6.2 * len(text)
    yield f'<path d="M{place:.1f} 52h18" stroke="{RED}" stroke-width="2"/>'
    yield f'<text x="{place + 25:.1f}" y="56">what this device reaches</text>'
