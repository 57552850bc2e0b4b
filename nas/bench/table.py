"""A bench in a terminal, for `rich.console.Console.print`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nas.bench import told
from nas.bench.result import Bench
from nas.fitting import Fitting, foldable

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

LEFT_OUT = ("GMAC", "activations", "GB/s", "input", "params", "GFLOP/s", "top-1 %", "macs", "of roof", "at batch")
"""What a narrow terminal goes without, the first one first; the files have all of it."""


def rendered(bench: Bench) -> Group:
    """The table, images a second over the batch, under what that was measured, and what a reader should know."""
    from rich.console import Group
    from rich.text import Text

    headings = [column.heading for column in told.columns(bench)]
    table = _fitting(headings, [told.cells(bench, row) for row in bench.rows], LEFT_OUT)
    parts: list[RenderableType] = [Text("networks on this device", style="bold"), table]
    header, lines = told.curve(bench)
    if header:
        title = f"images/s over the batch, {bench.conditions.runtimes[-1]}"
        parts += [Text(title, style="bold"), _fitting(header, lines, _every_other(header[1:]))]
    said = [told.conditions(bench), told.roofs(bench)]
    parts += [Text(line) for line in said if line]
    parts += [Text(f"note: {note}", style="yellow") for note in told.notes(bench)]
    return Group(*parts)


def _every_other(batches: Sequence[str]) -> list[str]:
    """The batches that a narrow terminal goes without: every other one, then every other one of those that are left;
    the first and the last stay.
    """
    between, order = list(batches[1:-1]), []
    while between:
        order += between[::2]
        between = between[1::2]
    return order


def _fitting(headings: Sequence[str], lines: Sequence[Sequence[str]], left_out: Sequence[str]) -> Fitting:
    """A table of a line a network, whose name comes first; `left_out` are headings."""
    there = [heading for heading in left_out if heading in headings]
    elsewhere = "; --out FILE keeps all of it\n"
    return Fitting(partial(_without, headings, lines), there, foldable([line[0] for line in lines]), elsewhere)


def _without(headings: Sequence[str], lines: Sequence[Sequence[str]], gone: Collection[str]) -> Table:
    """Without a title: that of a narrow table would be broken into lines."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    kept = [place for place, heading in enumerate(headings) if heading not in gone]
    for place in kept:
        heading = Text(headings[place].replace(" ms, ", "\nms, "))
        if place:
            table.add_column(heading, justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*(Text(line[place]) for place in kept))  # Text: nothing in it is markup
    return table
