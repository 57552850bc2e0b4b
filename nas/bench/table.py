"""A bench in a terminal, for `rich.console.Console.print`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.bench import told
from nas.bench.result import Bench

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table


def rendered(bench: Bench) -> Group:
    """The table, images a second over the batch, under what that was measured, and what a reader should know."""
    from rich.console import Group
    from rich.text import Text

    table = _table()
    for column in told.columns(bench):
        table.add_column(column.heading, justify="left" if column.left else "right", no_wrap=column.left)
    for row in bench.rows:
        table.add_row(*map(Text, told.cells(bench, row)))  # Text: nothing in it is markup
    parts: list[RenderableType] = [Text("networks on this device", style="bold"), table]
    header, lines = told.curve(bench)
    if header:
        curve = _table()
        for place, heading in enumerate(header):
            curve.add_column(heading, justify="right" if place else "left", no_wrap=True)
        for line in lines:
            curve.add_row(*map(Text, line))
        parts += [Text(f"images/s over the batch, {bench.conditions.runtimes[-1]}", style="bold"), curve]
    said = [told.conditions(bench), told.roofs(bench)]
    parts += [Text(line) for line in said if line]
    parts += [Text(f"note: {note}", style="yellow") for note in told.notes(bench)]
    return Group(*parts)


def _table() -> Table:
    """Without a title: that of a narrow table would be broken into lines."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False)
