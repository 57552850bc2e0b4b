"""What may be said of two networks after so many processes. Arithmetic only: no clock, no network.

The process is the unit. Samples of one process share its memory layout and its neighbours, so a thousand of them say
little more of the next process than fifty do: a process gives one value, the median of its log ratios. Under random
roles (which of the two is built first), the value of two equal networks is as likely above 0 as below it by as much,
whatever the machine does: that symmetry is all that the signed ranks need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from nas.bench.looks import nominal_level
from nas.bench.signed_rank import centre

Verdict = Literal["faster", "slower", "no_difference", "undecided"]

ERROR = 0.03
"""How often the intervals of one duel, all looks together, may miss the ratio: less than the 5 % that are promised, so
that a few hundred duels keep the promise too, and not only their average."""

LEAST_PROCESSES = 7
"""In 1 of 32 duels of equal networks, 6 processes have all their values on one side: more than `ERROR`."""

MOST_PROCESSES = 100


@dataclass(frozen=True)
class Judgement:
    """Of b's time over a's: the estimate and its interval, which is (0, inf) before the first look."""

    verdict: Verdict
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """Looks after each process from number `first` on, each with a two-sided test at `level`.

    `level` is such that the intervals of all looks up to `max_processes` hold the ratio at the same time with
    probability 1 - `ERROR`: they are repeated confidence intervals (Jennison and Turnbull, JRSS B 51, 1989), so the
    one at which a duel stops may be believed, for whatever reason it stopped. Each verdict is read off that interval.

    Attributes:
        max_processes: how many processes there can be.
        margin: ratios from 1 / (1 + margin) to 1 + margin are no difference worth the name.
        first: the number of processes of the first look.
        level: of the test at each look.
    """

    max_processes: int
    margin: float
    first: int
    level: float

    def judge(self, log_ratios: Sequence[float]) -> Judgement:
        """What may be said after these processes; one log(b / a) each.

        `no_difference`: the whole interval is within the margin (Schuirmann, J. Pharmacokinetics and Biopharmaceutics
        15, 1987: two one-sided tests), be 1 in it or not. `faster` and `slower`, of b: the whole interval is below 1,
        or above it. Else `undecided`.

        Raises:
            ValueError: there are no processes.
        """
        level = self.level if len(log_ratios) >= self.first else 0.0
        found = centre(log_ratios, level)
        within = math.log1p(self.margin)
        verdict: Verdict = "undecided"
        if -within <= found.low and found.high <= within:
            verdict = "no_difference"
        elif found.low > 0:
            verdict = "slower"
        elif found.high < 0:
            verdict = "faster"
        return Judgement(verdict, math.exp(found.value), math.exp(found.low), math.exp(found.high))


@lru_cache(maxsize=64)
def rule(max_processes: int, margin: float) -> Rule:
    """The rule whose first look is the first one that can see anything: n values all on one side have chance 2^(1 - n).

    Looks that cannot see anything are left out, since each one costs the others some of their sharpness.

    Raises:
        ValueError: fewer than `LEAST_PROCESSES`, or more than `MOST_PROCESSES`.
    """
    if not LEAST_PROCESSES <= max_processes <= MOST_PROCESSES:
        raise ValueError(f"{max_processes} processes")
    for first in range(LEAST_PROCESSES, max_processes):
        level = nominal_level(first, max_processes, ERROR)
        if 2.0 ** (1 - first) <= level:
            return Rule(max_processes, margin, first, level)
    return Rule(max_processes, margin, max_processes, ERROR)
