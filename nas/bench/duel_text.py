"""A duel for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from nas.bench.duel_result import Duel
from nas.bench.verdict import ERROR, MOST_PROCESSES
from nas.numbers import rounded
from nas.text import one_line

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

STYLES = {"faster": "bold green", "slower": "bold red", "no_difference": "bold", "undecided": "bold yellow"}
WHY = {
    "verdict": "",
    "processes": "; not decided by so many processes: --max-processes, in Python max_processes, allows more",
    "seconds": "; not decided in this time: --budget-s, in Python budget_s, allows more",
}
AT_MOST = "; not decided by as many processes as a duel may have: a larger margin may be decided"
MEANING = (f"in {100 * (1 - ERROR):g} of 100 duels the ratio over fresh processes lies within such bounds, "
           "though they are looked at after each process")
LEGEND = "the processes' ratios, from the least to the greatest: o one process, a digit several, # more than 9; | is 1"
WIDTH = 48
"""Characters of the strip of processes."""


def duel_text(duel: Duel) -> Group:
    """For `rich.console.Console.print`: the verdict, both times, where each process's ratio lies, and the warnings."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("network", overflow="fold")
    table.add_column("median pass (ms)", justify="right", no_wrap=True)
    table.add_row("a", Text(one_line(duel.a)), rounded(duel.a_ms))
    table.add_row("b", Text(one_line(duel.b)), rounded(duel.b_ms))
    why = AT_MOST if duel.stopped_by == "processes" and len(duel.processes) >= MOST_PROCESSES else WHY[duel.stopped_by]
    looked = f"{duel.effort()}, {duel.seconds:.0f} s{why}"
    parts: list[RenderableType] = [
        table,
        Text(one_line(duel.said()), style=STYLES[duel.verdict]),
        Text(f"b / a: {duel.interval()}"),
        *([Text(MEANING, style="dim")] if math.isfinite(duel.high) else []),
        Text(strip(duel)),
        Text(LEGEND, style="dim"),
        Text(looked, style="dim"),
    ]
    parts += [Text(f"note: {one_line(warning)}", style="yellow") for warning in duel.warnings]
    return Group(*parts)


def strip(duel: Duel) -> str:
    """Where the processes' ratios lie, on a logarithmic line that reaches from the lowest to the highest, with 1 on it.

    `o` is one process, a digit several, `#` more than 9; `|` is 1, where there is none.
    """
    logs = [math.log(ratio) for ratio in duel.ratios]
    low, high = min(0.0, *logs), max(0.0, *logs)
    span = (high - low) or 1.0

    def place(log: float) -> int:
        return round((log - low) / span * (WIDTH - 1))

    line = ["."] * WIDTH
    line[place(0.0)] = "|"
    for where, processes in Counter(map(place, logs)).items():
        line[where] = "o" if processes == 1 else str(processes) if processes < 10 else "#"
    return f"{math.exp(low):.3g} {''.join(line)} {math.exp(high):.3g}"
