"""A bench in a terminal, for `rich.console.Console.print`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.bench import told
from nas.bench.result import Bench

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType
    from rich.table import Table

LEFT_OUT = ("GMAC", "activations", "GB/s", "input", "params", "GFLOP/s", "top-1 %", "macs", "of roof", "at batch")
"""What a narrow terminal goes without, the first one first; the files have all of it."""
NAME = 24
"""Characters of a network's name that stay on one line before a column is left out for it."""


def rendered(bench: Bench) -> Group:
    """The table, images a second over the batch, under what that was measured, and what a reader should know."""
    from rich.console import Group
    from rich.text import Text

    headings = [column.heading for column in told.columns(bench)]
    table = _Fitting(headings, [told.cells(bench, row) for row in bench.rows], LEFT_OUT)
    parts: list[RenderableType] = [Text("networks on this device", style="bold"), table]
    header, lines = told.curve(bench)
    if header:
        title = f"images/s over the batch, {bench.conditions.runtimes[-1]}"
        parts += [Text(title, style="bold"), _Fitting(header, lines, _every_other(header[1:]))]
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


@dataclass(frozen=True)
class _Fitting:
    """A table of a line a network, without as few columns as the width needs; it says which, and cuts no number.

    Attributes:
        headings: the first is that of the networks' names, which go on in another line where they are long.
        left_out: the headings of the columns that may go, the first one first.
    """

    headings: Sequence[str]
    lines: Sequence[Sequence[str]]
    left_out: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        width, names = options.max_width, [line[0] for line in self.lines]
        foldable = max(0, max(map(len, names), default=0) - NAME)
        there = [heading for heading in self.left_out if heading in self.headings]
        for most in range(len(there) + 1):
            table = self._without(there[:most])
            natural = console.measure(table, options=options.update(width=10**6)).maximum
            if natural - foldable <= width:
                break
        yield table
        if most:
            yield Text(f"left out, for a width of {width}: {', '.join(there[:most])}; --out FILE keeps all of it\n")

    def _without(self, gone: Sequence[str]) -> Table:
        """Without a title: that of a narrow table would be broken into lines."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        kept = [place for place, heading in enumerate(self.headings) if heading not in gone]
        for place in kept:
            heading = Text(self.headings[place].replace(" ms, ", "\nms, "))
            if place:
                table.add_column(heading, justify="right", no_wrap=True)
            else:
                table.add_column(heading, overflow="fold")
        for line in self.lines:
            table.add_row(*(Text(line[place]) for place in kept))  # Text: nothing in it is markup
        return table
