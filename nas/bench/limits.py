"""When a duel ends without a verdict, and how small a difference is none."""

from __future__ import annotations

from dataclasses import dataclass

from nas.bench.verdict import LEAST_PROCESSES, MOST_PROCESSES, rule
from nas.choices import shown
from nas.errors import SpecError

MARGIN = 0.02
BUDGET_S = 300.0
"""For all processes: each takes about 6 s on an idle machine, and was seen to take 15 on a busy one."""
PROCESS_S = 6.0
"""What is expected of one before any has been seen."""
MAX_PROCESSES = 24
"""By so many, 5 % are told apart in 95 % of the duels where the processes' ratios spread by 5 % (a standard deviation),
in 88 % where they spread by 6 %; equal networks are called so in 93 % at 2 %, in 40 % at 3 % (simulated). On two cores
with three busy neighbours, mobilenet_v3_small against itself spread by 1.4 to 2.4 %."""
MAX_BUDGET_S = 86_400.0


@dataclass(frozen=True)
class Limits:
    """When a duel ends, see `nas.bench.duel.duel`.

    Raises:
        SpecError: a value is out of range.
    """

    margin: float = MARGIN
    budget_s: float = BUDGET_S
    max_processes: int = MAX_PROCESSES

    def __post_init__(self) -> None:
        for name, high in (("margin", 1.0), ("budget_s", MAX_BUDGET_S)):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= high:
                raise SpecError(f"{name} = {shown(value)}: give a number above 0, at most {high:g}")
        count: object = self.max_processes
        whole = isinstance(count, int) and not isinstance(count, bool)
        if not whole or not LEAST_PROCESSES <= self.max_processes <= MOST_PROCESSES:
            raise SpecError(f"max_processes = {shown(count)}: give a whole number from {LEAST_PROCESSES}, of which "
                            f"fewer can decide nothing, to {MOST_PROCESSES}")


def hopeless(limits: Limits) -> str:
    """Why a duel within these limits will hardly have a verdict, or an empty string: asked before it begins."""
    first = rule(limits.max_processes, limits.margin).first
    if limits.budget_s >= first * PROCESS_S:
        return ""
    return (f"no verdict is possible before {first} processes, of about {PROCESS_S:g} s each: budget_s = "
            f"{limits.budget_s:g} will hardly be enough; give {first * PROCESS_S:g} or more")
