"""A table for a terminal, as plain text; `nas.report.terminal.summary_table` is the same one with colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.report.render import Format
from nas.report.terminal import summary_table

if TYPE_CHECKING:
    from nas.report.report import Report

WIDTH = 160
"""Characters a line at most; a longer architecture goes on below."""


def render(report: Report) -> str:
    """The front and the outcomes. No colours: what comes out may be a file."""
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(summary_table(report))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


FORMAT = Format("table", ".txt", render)
