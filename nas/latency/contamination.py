"""Whether the machine stayed as it was: told by the reference, and by how long this process waited for a CPU.

The pace of a machine is the time of the reference's second pass, stretched by the waiting. (Its first pass after a
large candidate finds the caches empty: 0.6 ms after mobilenet_v3_small were 0.84 after resnet18.) A median alone does
not show the waiting: a pass of the reference is short, and the scheduler takes the CPU away between two of them, while
a candidate of many milliseconds is interrupted in every pass.

No clock, no network: arithmetic on what `nas.latency.sampling` has seen.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from nas.latency.sampling import Clock, Samples
from nas.latency.statistics import CONFIDENCE, median, median_interval
from nas.latency.stopping import MIN_SECONDS

T = TypeVar("T")

MOVED_SINCE = 0.10
"""A pace must at least be by so much above the usual one to spoil a measurement: its value may be off by as much."""

MOVED_WITHIN = 0.20
"""A pace that differs by so much between the two halves of a measurement spoils it: their common median is off by about
half of it."""

REMEMBERED = 11
"""Measurements that say what is usual, of which 8 may be disturbed. A machine that has become slower for good is the
usual one after 9, before a search gives up on it."""

FEWEST = 4
"""Of fewer measurements nobody can tell what is usual."""

SPREADS = 4
"""How often the distance from the fastest pace to the usual one may lie above the usual one: of steady noise (simulated
log-normal, spread by 2, 10 and 30 %) 0, 11 and 12 % of the paces do more, and are looked at again."""

ATTEMPTS = 5
"""A measurement is taken at most so many times."""

@dataclass(frozen=True)
class Pace:
    """Seconds that a pass of the reference took, stretched by waiting, with the ends of the median's interval.

    `waited` is the share of the time in which no thread of this process had a CPU.
    """

    level: float
    low: float
    high: float
    coverage: float
    waited: float


def pace(samples: Samples, begin: int = 0, end: int | None = None) -> Pace:
    """The pace while the references from `begin` to `end` were timed, or all of them."""
    references = samples.paces[begin:end]
    interval = median_interval(references)
    waited = _waited(samples.moments[begin:end])
    level, low, high = (value / (1 - waited) for value in (median(references), interval.low, interval.high))
    return Pace(level, low, high, interval.coverage, waited)


def _waited(moments: Sequence[tuple[float, float]]) -> float:
    """Between the first and the last moment, each (elapsed, busy) seconds; 0 where nobody told how busy it was."""
    (began, busy_then), (ended, busy_now) = moments[0], moments[-1]
    elapsed, busy = ended - began, busy_now - busy_then
    return 0.0 if elapsed <= 0 or math.isnan(busy) else min(0.99, max(0.0, 1 - busy / elapsed))


def is_long(samples: Samples) -> bool:
    """Whether sampling lasted for several of the scheduler's turns: of a shorter look, one turn of a neighbour is half.
    """
    return samples.seconds >= MIN_SECONDS


def moved_within(samples: Samples) -> str:
    """How the pace moved between the halves of a measurement, or an empty string.

    It did where their intervals do not meet and their levels differ by more than `MOVED_WITHIN`. Of fewer than 12
    references nothing can be said.
    """
    middle = len(samples.paces) // 2
    if not middle:
        return ""
    first, second = pace(samples, 0, middle), pace(samples, middle)
    if min(first.coverage, second.coverage) < CONFIDENCE:
        return ""
    slow, fast = (first, second) if first.level > second.level else (second, first)
    if slow.low <= fast.high or slow.level <= (1 + MOVED_WITHIN) * fast.level:
        return ""
    return (f"the reference took {first.level * 1e3:.3g} ms in the first half of the measurement and "
            f"{second.level * 1e3:.3g} ms in the second")


@dataclass
class Usual:
    """The paces of the last measurements of this process under one set of conditions."""

    levels: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def interval(self) -> tuple[float, float] | None:
        """The usual level, and how far above it is usual too; None as long as too few measurements are known.

        Disturbances only ever slow a machine down, so that the faster ones tell what it is without them: the level is
        their second or third, and how far they lie apart is how much the machine trembles anyway.
        """
        if len(self.levels) < FEWEST:
            return None
        ordered = sorted(self.levels)
        level = ordered[len(ordered) // 4]
        return level, level * max(1 + MOVED_SINCE, (level / ordered[0]) ** SPREADS)

    def moved(self, now: Pace) -> str:
        """How the pace has moved since: both it and its whole interval have left the usual one. Else an empty string.
        """
        usual = self.interval()
        if usual is None or now.low <= usual[0] or now.level <= usual[1]:
            return ""
        return (f"the reference took {now.level * 1e3:.3g} ms, and in the measurements before usually "
                f"{usual[0] * 1e3:.3g} ms, {usual[1] * 1e3:.3g} ms at most")

    def remember(self, now: Pace) -> None:
        """One measurement more."""
        self.levels.append(now.level)


def until_steady(
    once: Callable[[], T],
    judge: Callable[[T], str],
    max_seconds: float,
    *,
    clock: Clock = time.perf_counter,
) -> list[tuple[T, str]]:
    """Measures until one measurement is judged to be steady (an empty string), and gives all of them, each with what
    was said of it; at most `ATTEMPTS`, and none that would probably go past `max_seconds`.
    """
    begin = clock()
    attempts: list[tuple[T, str]] = []
    while True:
        opened = clock()
        taken = once()
        attempts.append((taken, judge(taken)))
        spent = clock() - opened
        if not attempts[-1][1] or len(attempts) == ATTEMPTS or clock() - begin + spent > max_seconds:
            return attempts
