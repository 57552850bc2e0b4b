"""A duel for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.numbers import rounded
from nas.text import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.bench.duel import Duel

STYLES = {"faster": "bold green", "slower": "bold red", "no_difference": "bold", "undecided": "bold yellow"}
ENDED = {
    "verdict": "certain",
    "budget": "not certain when the time was over; give more of it, or compare on a quieter machine",
    "processes": "not certain after the most processes; the two are close, or the machine is noisy",
}
WIDTH = 41
"""Characters of the line on which the processes' ratios stand."""


def rendered(duel: Duel) -> RenderableType:
    """The verdict in a sentence, the ratio of each process on a line, and what was measured."""
    from rich.console import Group
    from rich.text import Text

    verdict = {
        "faster": f"{duel.b} is faster than {duel.a}",
        "slower": f"{duel.b} is slower than {duel.a}",
        "no_difference": f"{duel.b} and {duel.a} take the same time",
        "undecided": f"undecided between {duel.a} and {duel.b}",
    }[duel.verdict]
    conditions = ", ".join(f"{name} {value}" for name, value in duel.conditions.items())
    lines = [
        f"{duel.a}: {rounded(duel.a_ms)} ms; {duel.b}: {rounded(duel.b_ms)} ms",
        f"{duel.b} takes {duel.ratio:.3f} of {duel.a}'s time, 95 % interval [{duel.low:.3f}, {duel.high:.3f}]",
        f"{duel.processes} fresh processes, {duel.pairs} pairs, {duel.seconds:.0f} s: {ENDED[duel.stopped_by]}",
        *_strip(duel.ratios),
        one_line(conditions),
        *(f"note: {one_line(warning)}" for warning in duel.warnings),
    ]
    return Group(Text(one_line(verdict), style=STYLES[duel.verdict]), *(Text(line) for line in lines))


def _strip(ratios: tuple[float, ...]) -> list[str]:
    """A dot a process between the lowest and the highest ratio, and where 1 is."""
    low, high = min(*ratios, 1.0), max(*ratios, 1.0)
    if high - low < 1e-9:
        return []

    def place(ratio: float) -> int:
        return round((WIDTH - 1) * (ratio - low) / (high - low))

    line = [" "] * WIDTH
    line[place(1.0)] = "|"
    for ratio in ratios:
        line[place(ratio)] = "●"
    return [f"{low:.3f} {''.join(line)} {high:.3f}   each process; | is the same time"]
