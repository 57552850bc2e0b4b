"""The table of blocks as text: for a terminal, for other programs, and as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nas.markdown import as_code, in_markdown
from nas.markdown import table as markdown_table
from nas.numbers import rounded
from nas.report.blocks import REST, OfBlocks
from nas.report.formats import as_csv, as_json
from nas.text import one_line

if TYPE_CHECKING:
    from rich.console import Group

MOST_ROWS = 40
"""Blocks of a column that a terminal shows; the rest of the time is always shown."""
HEADERS = ("block", "channels", "stride", "map", "seen", "time", "90 % interval", "share")
RIGHT = range(1, len(HEADERS))
ELSEWHERE = {"(stem)": "stem", "(head)": "head", REST: "rest"}


def for_terminal(blocks: OfBlocks) -> Group:
    """A table a column, for `rich.console.Console.print`."""
    from rich import box
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for name, rows in _columns(blocks):
        shown = [*rows[: min(len(rows) - 1, MOST_ROWS)], rows[-1]]
        title = Text(f"{one_line(blocks.study.name)}: {one_line(name)} by block, {rows[0]['unit']}")
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
        for place, header in enumerate(HEADERS):
            table.add_column(header, justify="right" if place in RIGHT else "left", no_wrap=place in RIGHT,
                             overflow="fold")
        for row in shown:
            table.add_row(*map(Text, _cells(row)))
        parts.append(table)
        if left := len(rows) - len(shown):
            parts.append(Text(f"{left} more blocks are in the other formats"))
    return Group(*parts, *(Text(told) for told in blocks.notices))


def as_text(blocks: OfBlocks) -> str:
    """What a terminal shows, as plain text."""
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=160, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(for_terminal(blocks))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def as_page(blocks: OfBlocks) -> str:
    """A page in Markdown, with every block."""
    lines = [f"# {in_markdown(blocks.study.name)}: what each block takes", ""]
    for name, rows in _columns(blocks):
        lines += [f"## {in_markdown(name)}, {in_markdown(rows[0]['unit'])}", ""]
        cells = [_cells(row) for row in rows]
        lines += [*markdown_table(HEADERS, ([as_code(first), *others] for first, *others in cells), RIGHT), ""]
    return "\n".join([*lines, *(f"{in_markdown(told)}\n" for told in blocks.notices)])


def as_json_text(blocks: OfBlocks) -> str:
    """`{study, notices, rows}`, strictly valid: a missing value is null."""
    about = {"name": blocks.study.name, "uuid": blocks.study.uuid}
    return (f'{{"study": {json.dumps(about)},\n"notices": {json.dumps(blocks.notices)},\n'
            f'"rows": {as_json.lines(as_json.cells(blocks.frame))}}}\n')


FORMATS: Mapping[str, Callable[[OfBlocks], str]] = {
    "table": as_text,
    "csv": lambda blocks: as_csv.written(blocks.frame),
    "json": as_json_text,
    "md": as_page,
}
"""The formats that the table is written in."""


def _columns(blocks: OfBlocks) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each column's rows, the rest of its time last."""
    rows = as_json.cells(blocks.frame)
    for name in dict.fromkeys(row["column"] for row in rows):
        yield name, [row for row in rows if row["column"] == name]


def _cells(row: Mapping[str, Any]) -> list[str]:
    """A row under `HEADERS`."""
    name = ELSEWHERE.get(row["block"], row["block"])
    told = one_line(f"{name} {row['params']}".strip())
    share = "" if row["share"] is None else f"{row['share']:.1%}"
    if row["block"] == REST:
        return [told, "", "", "", str(row["seen"]), rounded(row["value"]), "", share]
    return [told, f"{row['in_channels']:.0f} -> {row['out_channels']:.0f}", f"{row['stride']:.0f}",
            f"{row['height']:.0f}x{row['width']:.0f}", str(row["seen"]), rounded(row["value"]),
            f"[{rounded(row['low'])}, {rounded(row['high'])}]", share]
