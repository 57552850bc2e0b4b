"""The front as a picture: SVG text, self-contained, that any browser and any Markdown page shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from nas.drawing import GREY, RED, document, frame, labels
from nas.numbers import count, rounded
from nas.report.verified import final
from nas.store.rows import COST
from nas.text import one_line

if TYPE_CHECKING:
    import pandas as pd

    from nas.report.report import Report

WIDTH, HEIGHT = 720, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 696, 66, 400  # the plot's edges, in pixels
_STEPS = 6  # at most so many from tick to tick over the values' spread
_LEAST_SPREAD = 1e-290  # below it, steps are no numbers of full precision any more
_LONGEST_NAME = 30
MOST_LABELS = 15
"""Above so many points of the front, none is labelled with its trial: the labels would cover one another."""


@dataclass(frozen=True)
class _Axis:
    """One axis: which column, how it is read, and the line from its values to pixels."""

    column: str
    label: str
    counts: bool  # thousands, millions: shown with a unit
    ticks: Sequence[float]
    pixels: tuple[float, float]

    def at(self, value: float) -> float:
        """The pixel of a value."""
        begin, end = self.pixels
        return begin + (end - begin) * (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])

    def text(self, value: float) -> str:
        """A value as a person reads it."""
        return count(value) if self.counts else rounded(value)


def picture(report: Report) -> str:
    """A scatter plot of all successful trials, the front among them, as SVG.

    Its axes are the first two objectives, what is gained upwards over what it costs; where there is only one, it is
    drawn over the trial's number. Bars are the intervals of the values. A front of more than two objectives is a
    cloud here, not a line.
    """
    frame, objectives = final(report.frame), report.study.objectives
    across, up = _axes(report.study.objectives)
    finite = frame[[across, up]].astype("float64").abs().lt(math.inf).all(axis=1)
    known = frame[(frame["outcome"] == "ok").fillna(False) & finite]
    name = one_line(report.study.name)
    name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME - 3]}..."
    title = f"{name}: {len(known)} of {len(frame)} trials successful, {known['pareto'].sum()} on the front"
    body = [f'<text x="{_LEFT}" y="24" font-size="14" font-weight="600">{escape(title)}</text>']
    if len(known):
        x = _axis(report, across, known, (_LEFT, _RIGHT))
        y = _axis(report, up, known, (_BOTTOM, _TOP))
        front = known[known["pareto"]].sort_values([across, up])
        body += [*_frame(x, y), *_others(known[~known["pareto"]], x, y), *_front(front, x, y, len(objectives) == 2)]
        body += _legend(len(objectives), infeasible=not known["feasible"].all())
    else:
        body.append(f'<text x="{WIDTH // 2}" y="{HEIGHT // 2}" text-anchor="middle">no trial was successful</text>')
    return document(WIDTH, HEIGHT, body)


def _axes(objectives: Mapping[str, str]) -> tuple[str, str]:
    """What is drawn across, and what upwards."""
    first, *others = objectives
    if not others:
        return "trial", first
    second = others[0]
    return (second, first) if objectives[first] == "maximize" != objectives[second] else (first, second)


def _axis(report: Report, name: str, known: pd.DataFrame, pixels: tuple[float, float]) -> _Axis:
    column = next(column for column in report.columns if column.name == name)
    label = f"{name} ({column.unit})" if column.unit else name
    if name in report.study.objectives:
        label += ", lower is better" if report.study.objectives[name] == "minimize" else ", higher is better"
    front = known[known["pareto"]]
    bars = [front[end].dropna() for end in (f"{name}_low", f"{name}_high") if end in front]
    values = [float(value) for series in (known[name], *bars) for value in series if math.isfinite(value)]
    ticks = nice_ticks(min(values), max(values), whole=column.kind == "count")
    return _Axis(name, one_line(label), column.source == COST, ticks, pixels)


def nice_ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """About six round numbers, evenly spaced, that enclose `low` and `high`; whole ones for what is counted."""
    spread = high - low
    if spread <= 1e-9 * max(abs(low), abs(high)):  # one value, but for rounding
        spread = abs(high)
    spread = spread if spread > _LEAST_SPREAD else 1.0
    power = 10.0 ** math.floor(math.log10(spread / _STEPS))
    step = next((power * factor for factor in (1, 2, 2.5, 5) if spread / (power * factor) <= _STEPS), power * 10)
    step = max(step, 1.0) if whole else step
    first, last = math.floor(low / step), math.ceil(high / step)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


def _frame(x: _Axis, y: _Axis) -> Iterator[str]:
    across, up = ([(axis.at(value), axis.text(value)) for value in axis.ticks] for axis in (x, y))
    return frame((_LEFT, _TOP, _RIGHT, _BOTTOM), across, up, (x.label, y.label))


def _others(rows: pd.DataFrame, x: _Axis, y: _Axis) -> Iterator[str]:
    """The trials beside the front; hollow where they break a constraint."""
    for a, b, feasible in zip(rows[x.column], rows[y.column], rows["feasible"], strict=True):
        fill = f'fill="{GREY}" fill-opacity="0.6"' if feasible else f'fill="none" stroke="{GREY}"'
        yield f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3.5" {fill}/>'


def _front(rows: pd.DataFrame, x: _Axis, y: _Axis, line: bool) -> Iterator[str]:
    """The front's points with the bars of their intervals, and a line to lead the eye where it is one."""
    points = [(x.at(a), y.at(b)) for a, b in zip(rows[x.column], rows[y.column], strict=True)]
    if line and len(points) > 1:
        path = "L".join(f"{across:.1f} {up:.1f}" for across, up in points)
        yield f'<path d="M{path}" fill="none" stroke="{RED}" stroke-opacity="0.5" stroke-width="1.5"/>'
    for (across, up), (_, row) in zip(points, rows.iterrows(), strict=True):
        for axis in (x, y):
            low, high = row.get(f"{axis.column}_low", math.nan), row.get(f"{axis.column}_high", math.nan)
            if math.isfinite(low) and math.isfinite(high):
                begin, end = axis.at(low), axis.at(high)
                bar = f"M{begin:.1f} {up:.1f}H{end:.1f}" if axis is x else f"M{across:.1f} {begin:.1f}V{end:.1f}"
                yield f'<path d="{bar}" stroke="{RED}" stroke-opacity="0.6"/>'
        told = f"trial {row['trial']}: {x.column} {x.text(row[x.column])}, {y.column} {y.text(row[y.column])}"
        yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{RED}"><title>{escape(told)}</title></circle>'
    if len(points) <= MOST_LABELS:
        for text, (across, up) in labels(list(map(str, rows["trial"])), points):
            yield f'<text x="{across:.1f}" y="{up:.1f}" font-size="10" fill="{RED}">{text}</text>'


def _legend(objectives: int, infeasible: bool) -> Iterator[str]:
    front = "front" if objectives <= 2 else f"front of all {objectives} objectives"
    entries = [(front, f'fill="{RED}"'), ("other successful trials", f'fill="{GREY}"')]
    if infeasible:
        entries.append(("breaks a constraint", f'fill="none" stroke="{GREY}"'))
    place = _LEFT
    for text, paint in entries:
        yield f'<circle cx="{place + 5}" cy="44" r="4" {paint}/><text x="{place + 15}" y="48">{text}</text>'
        place += 36 + 7 * len(text)
