"""The front and the outcomes as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nas.numbers import count, plus_minus, rounded
from nas.outcomes import COST_COLUMNS, ITS_OWN_FAULT, NOT_ITS_FAULT
from nas.report.notes import notes
from nas.report.short import short_architecture, short_input
from nas.report.summary import Summary, summary
from nas.report.verification_text import TITLE, verification
from nas.text import one_line

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from nas.report.report import Report

MOST_ROWS = 30
"""Rows of the front that are shown."""
MOST_FAILURES = 3
MOST_TEXT = 300
"""Characters of a failure's message that are shown."""


def summary_table(report: Report) -> Group:
    """What `nas run` ends with, for `rich.console.Console.print`: the Pareto front, then how many trials ended how."""
    from rich.console import Group
    from rich.text import Text

    short = summary(report.frame, report.study, report.carried)
    parts: list[RenderableType] = []
    if len(short.front):
        parts.append(_front(report, short))
        if len(short.front) > MOST_ROWS:
            parts.append(Text(f"{len(short.front) - MOST_ROWS} more of the front are in the other formats"))
    else:
        parts.append(Text("no trial was successful and feasible", style="yellow"))
        parts += [Text(line) for line in (*_nearest(report), *_failures(report))]
    parts += [Text(note, style="yellow") for note in (*map(one_line, report.notices), *notes(report))]
    parts += [*_verification(report), *(Text(one_line(comparison)) for comparison in report.comparisons)]
    return Group(*parts, _outcomes(short))


def _verification(report: Report) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if (told := verification(report)) is None:
        return
    table = Table(title=TITLE, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name in told.headers:
        table.add_column(name, justify="left" if name in ("column", "front") else "right")
    for row in told.rows:
        table.add_row(*map(Text, row))
    yield table
    for sentence in told.sentences:
        yield Text(sentence)
    yield Text("")


def _nearest(report: Report) -> Iterator[str]:
    """For each constraint that no measured trial keeps, how near the nearest came."""
    units = {column.name: column.unit for column in report.columns}
    for column, operator, bound in report.study.constraints:
        values = report.frame[column].astype("float64")
        if (again := f"{column}_verified_{'high' if operator == '<=' else 'low'}") in report.frame:
            values = report.frame[again].fillna(values)  # which is what the bound is held against
        values = values.dropna()
        best = values.min() if operator == "<=" else values.max()
        if len(values) and (best > bound if operator == "<=" else best < bound):
            text = count if column in COST_COLUMNS else rounded
            unit = f" {units[column]}" if units.get(column) else ""
            came = f"the nearest of {len(values)} came to {text(best)}{unit}"
            yield one_line(f"{column} {operator} {text(bound)}: {came}")


def _failures(report: Report) -> Iterator[str]:
    """The first trials that failed: where there is no front, they are what a reader needs."""
    failed = report.frame[report.frame["outcome"].isin([*ITS_OWN_FAULT, *NOT_ITS_FAULT])]
    for row in failed.head(MOST_FAILURES).to_dict("records"):
        said = one_line(row["message"])
        said = said if len(said) <= MOST_TEXT else f"{said[:MOST_TEXT]}..."
        yield f"trial {row['trial']}: {row['outcome']}: {said}"


def _front(report: Report, short: Summary) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    study = report.study
    units = {column.name: column.unit for column in report.columns}
    table = Table(
        title=Text(f"{one_line(study.name)}: Pareto front, {len(short.front)} of {short.trials} trials"),
        box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False,
    )
    table.add_column("trial", justify="right")
    for name in study.objectives:
        unit = "" if name in COST_COLUMNS or not units.get(name) else f"\n({one_line(units[name])})"
        table.add_column(Text(one_line(name) + unit), justify="right", no_wrap=True)
    costs = [name for name in ("params", "macs") if name not in study.objectives]
    for name in costs:
        table.add_column(name, justify="right", no_wrap=True)
    inputs = [short_input(arch) for arch in short.front["arch"]]
    several = len(set(inputs)) > 1  # a resolution that is searched; one that all share says nothing
    if several:
        table.add_column("input", justify="right", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for row, size in zip(short.front.head(MOST_ROWS).to_dict("records"), inputs, strict=False):
        cells = [str(row["trial"]), *(_objective(row, name) for name in study.objectives)]
        cells += [count(row[name]) for name in costs]
        cells += [size] if several else []
        table.add_row(*map(Text, [*cells, short_architecture(row["arch"])]))  # Text: nothing in it is markup
    return table


def _objective(row: Mapping[Any, Any], name: str) -> str:
    """Never missing: only complete rows are on the front."""
    if name in COST_COLUMNS:
        return count(row[name])
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if low is None or high is None:
        return rounded(row[name])
    return plus_minus(row[name], low, high) if math.isfinite(high - low) else f"{rounded(row[name])} ±?"


def _outcomes(short: Summary) -> Text:
    from rich.text import Text

    carried = f", {short.carried} carried over" if short.carried else ""
    line = Text(f"{short.trials} trials, {short.counted} counted{carried}: ")
    for place, (outcome, trials) in enumerate(short.outcomes.items()):
        style = {"ok": "green", "infeasible": "yellow", "stopped": "yellow", "running": "cyan"}.get(outcome, "red")
        line.append(", " if place else "").append(f"{trials} {outcome}", style=style)
    return line
