"""Two calls timed alternately, in random order."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nas.latency.sampling import CHECK_GROWTH, Clock
from nas.latency.statistics import median, median_interval
from nas.latency.timing import Call, Timer

LEAST_PAIRS = 20
LEAST_SECONDS = 0.2
"""Fewer pairs, or a shorter look, may agree by luck."""


@dataclass(frozen=True)
class PairRule:
    """When one process has seen enough.

    Attributes:
        target: the 95 % interval of the median ratio is narrower than this share of it ...
        seconds: ... or so much time has passed ...
        pairs: ... or there are so many pairs.
    """

    target: float
    seconds: float
    pairs: int

    def is_enough(self, ratios: Sequence[float], elapsed_s: float) -> bool:
        """Whether these ratios tell the median precisely."""
        if len(ratios) < LEAST_PAIRS or elapsed_s < LEAST_SECONDS:
            return False
        interval = median_interval(ratios)
        return interval.high - interval.low <= self.target * median(ratios)


@dataclass(frozen=True)
class Pairs:
    """Seconds a pass of each, neighbours in time at the same place."""

    a_s: tuple[float, ...]
    b_s: tuple[float, ...]
    precise: bool
    seconds: float


def alternate(
    a: Call,
    b: Call,
    timer: Timer,
    rule: PairRule,
    rng: random.Random,
    *,
    repeats: tuple[int, int] = (1, 1),
    clock: Clock = time.perf_counter,
) -> Pairs:
    """Samples a and b, `repeats` calls each, two pairs at a time: one with a first and one with b first.

    Which of the two pairs comes first is drawn. What follows the other finds its caches: each does so equally often,
    at every moment (permuted blocks; Matts and Lachin, Controlled Clinical Trials 9, 1988). There are at least two
    pairs.
    """
    begin = clock()
    times: tuple[list[float], list[float]] = ([], [])
    ratios: list[float] = []
    precise, next_check = False, LEAST_PAIRS
    while True:
        opened = clock()
        order = [(0, 1), (1, 0)]
        rng.shuffle(order)
        for pair in order:
            for which in pair:
                times[which].append(timer((a, b)[which], repeats[which]))
            ratios.append(times[1][-1] / times[0][-1])
        now = clock()
        if len(ratios) >= next_check:
            precise = rule.is_enough(ratios, now - begin)
            next_check = int(len(ratios) * CHECK_GROWTH) + 1
        spent = (now - begin) + (now - opened) > rule.seconds or len(ratios) + 2 > rule.pairs
        if precise or spent:
            return Pairs(tuple(times[0]), tuple(times[1]), precise, now - begin)
