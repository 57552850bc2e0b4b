"""What a duel answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nas.bench.verdict import ERROR, Verdict
from nas.numbers import rounded
from nas.text import several

TOLD_AS_FACTOR = 2.0
"""From so many times as long on, times are told, and no percent."""

StoppedBy = Literal["verdict", "processes", "seconds"]


@dataclass(frozen=True)
class PairedProcess:
    """What one fresh process saw.

    Attributes:
        ratio: median of b's time over a's, of neighbours in time.
        a_ms, b_ms: every sample, in order of time: one pass each, or the mean over several where a pass is shorter
            than the clock can tell.
        first: the one that was built and warmed up first, "a" or "b".
        foreign_cpus: CPUs that others kept busy meanwhile; None where the system does not say.
    """

    ratio: float
    a_ms: tuple[float, ...]
    b_ms: tuple[float, ...]
    first: Literal["a", "b"]
    foreign_cpus: float | None = None


@dataclass(frozen=True)
class Duel:
    """How network b compares with network a, timed alternately in several fresh processes.

    Attributes:
        a, b: the networks' names, or the `arch_id` of one that has no name.
        verdict: of b: `faster`, `slower`, `no_difference` (nothing beyond the margin), or `undecided`.
        ratio: b's time over a's: 1.05 where b takes 5 % longer.
        low, high: the 97 % interval of the ratio, over fresh processes of this machine in these conditions, valid
            although it was looked at after each process; 0 and infinity where there were too few of them.
        a_ms, b_ms: a pass in milliseconds: the median over the processes of their medians.
        margin: ratios from 1 / (1 + margin) to 1 + margin are no difference.
        processes: what each process saw, in order.
        seconds: of all of it, the start of the processes included.
        stopped_by: `verdict`, or what ended an undecided duel: `processes` or `seconds`.
        conditions: device, runtime, batch, dtype, memory_format, threads and the like, as they were in the end.
        environment: see `nas.latency.environment`; under "state", a list of "before" and "after" for each process.
        warnings: what the reader should know before believing the verdict.
    """

    a: str
    b: str
    verdict: Verdict
    ratio: float
    low: float
    high: float
    a_ms: float
    b_ms: float
    margin: float
    processes: tuple[PairedProcess, ...]
    seconds: float
    stopped_by: StoppedBy
    conditions: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """Of each process, in order."""
        return tuple(process.ratio for process in self.processes)

    @property
    def pairs(self) -> int:
        """How many pairs of samples there are, over all processes."""
        return sum(len(process.a_ms) for process in self.processes)

    def __str__(self) -> str:
        return f"{self.said()}, {self.interval()}, {self.effort()}"

    def effort(self) -> str:
        """How much was measured: `9 processes, 1480 pairs`."""
        return f"{several(len(self.processes), 'process')}, {several(self.pairs, 'pair')}"

    def said(self) -> str:
        """The verdict as a clause: `b is slower than a: it takes 5.1 % longer`."""
        percent, times = f"{abs(self.ratio - 1):.1%}".replace("%", " %"), max(self.ratio, 1 / self.ratio)
        far = times >= TOLD_AS_FACTOR
        less = f"{self.a} takes {times:.1f} times as long" if far else f"it takes {percent} less time"
        longer = f"it takes {times:.1f} times as long" if far else f"it takes {percent} longer"
        return {
            "faster": f"{self.b} is faster than {self.a}: {less}",
            "slower": f"{self.b} is slower than {self.a}: {longer}",
            "no_difference": f"no difference beyond {100 * self.margin:g} % between {self.a} and {self.b}",
            "undecided": f"undecided between {self.a} and {self.b}",
        }[self.verdict]

    def interval(self) -> str:
        """The ratio with its interval: `ratio 1.051 [1.038, 1.066] at 97 %`."""
        if not math.isfinite(self.high):
            return f"ratio {self.ratio:.4g}, too few processes for an interval"
        return f"ratio {self.ratio:.4g} [{rounded(self.low)}, {rounded(self.high)}] at {100 * (1 - ERROR):g} %"
