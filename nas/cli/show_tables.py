"""The tables of `nas show`, as wide as the terminal allows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nas.errors import printable
from nas.fitting import Fitting, foldable
from nas.numbers import count, rounded

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from nas.cost.result import Cost, PartCost

BAR = 12
"""Characters of a bar."""
COSTS = ("params", "macs", "flops", "activations")
BARS = "bars of the costs"
LEFT_OUT = (BARS, "flops", "activations", "receptive field", "stride")
"""What a narrow terminal goes without, the first one first; the totals below a table have all of it."""


def print_parts(console: Console, title: str, parts: Sequence[PartCost], parts_ms: Sequence[float] = ()) -> None:
    """A line a part; with the time of each where it was measured."""
    console.print(Fitting(partial(_parts, title, parts, parts_ms), LEFT_OUT))


def print_side_by_side(console: Console, totals: Mapping[str, Cost]) -> None:
    """A line a network."""
    console.print(Fitting(partial(_side_by_side, totals), LEFT_OUT, foldable(totals)))


def facts(cost: Cost) -> RenderableType:
    """The totals in words, to the digit."""
    from rich.text import Text

    counts = f"{cost.params:,} parameters, {cost.macs:,} MACs, {cost.flops:,} FLOPs as fvcore counts them"
    lines = [f"{counts}, {cost.activations:,} activations"]
    lines.append(f"receptive field {cost.receptive_field}, stride {cost.output_stride:g}")
    places: dict[str, list[str]] = {}
    for told in cost.global_ops:
        place, _, operation = told.rpartition(": ")
        places.setdefault(operation, []).append(place)
    for operation, found in places.items():
        lines.append(f"sees the whole map: {operation} in {', '.join(found)}")
    if cost.unsupported_ops:
        lines.append(f"not counted: {', '.join(cost.unsupported_ops)}")
    return Text(printable("\n".join(lines)) + "\n")


def bar(value: float, most: float, width: int = BAR) -> str:
    """A bar of eighths of a character, as long as `value` is of `most`; never empty above 0."""
    eighths = round(8 * width * value / most) if most else 0
    eighths = max(eighths, 1) if value > 0 else 0
    whole, rest = divmod(eighths, 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()


def _parts(title: str, parts: Sequence[PartCost], parts_ms: Sequence[float], without: Collection[str]) -> Table:
    from rich.text import Text

    table = _table(title)
    table.add_column("part")
    table.add_column("blocks")
    table.add_column("output", justify="right", no_wrap=True)
    most = {name: max(getattr(part.cost, name) for part in parts) for name in ("params", "macs")}
    _add_costs(table, without, tuple(most))
    if parts_ms:
        table.add_column("ms", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for position, part in enumerate(parts):
        cells = [part.name, part.text, "x".join(map(str, part.shape)), *_cells(part.cost, most, without)]
        if parts_ms:
            cells += [rounded(parts_ms[position]), bar(parts_ms[position], max(parts_ms))]
        table.add_row(*map(Text, cells))
    return table


def _side_by_side(totals: Mapping[str, Cost], without: Collection[str]) -> Table:
    from rich.text import Text

    table = _table("side by side")
    table.add_column("network", overflow="fold")
    most = {name: max(getattr(cost, name) for cost in totals.values()) for name in COSTS}
    _add_costs(table, without, COSTS)
    for label, cost in totals.items():
        table.add_row(*map(Text, [label, *_cells(cost, most, without)]))
    return table


def _add_costs(table: Table, without: Collection[str], barred: Collection[str]) -> None:
    """A column for each cost, with one for its bar where it has one, then receptive field and stride."""
    for name in COSTS:
        if name not in without:
            table.add_column(name, justify="right", no_wrap=True)
            if name in barred and BARS not in without:
                table.add_column("", no_wrap=True)
    for name in ("receptive field", "stride"):
        if name not in without:
            table.add_column(name, justify="right", no_wrap=True)


def _cells(cost: Cost, most: Mapping[str, float], without: Collection[str]) -> list[str]:
    """What stands in the columns of `_add_costs`; `most` has the value of a whole bar."""
    cells = []
    for name in COSTS:
        if name not in without:
            value = getattr(cost, name)
            cells.append(count(value))
            if name in most and BARS not in without:
                cells.append(bar(value, most[name]))
    cells += [cost.receptive_field] if "receptive field" not in without else []
    return [*cells, f"{cost.output_stride:g}"] if "stride" not in without else cells


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
