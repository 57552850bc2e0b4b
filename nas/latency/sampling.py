"""Warms up by time, then samples a candidate, alternately with a reference, until the rule says enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from nas.latency.statistics import median
from nas.latency.stopping import Budget, StoppedBy, StoppingRule, WarmUpRule
from nas.latency.timing import Call, Timer

Clock = Callable[[], float]
"""Seconds that have passed since some moment."""


def unknown() -> float:
    """The default of how busy this process was: nobody asks, as where a device computes."""
    return math.nan


REFERENCE_SHARE = 0.5
"""The reference takes at most about this share of the candidate's own time."""

CHECK_GROWTH = 1.1
"""The rule is asked again when there are this many times as many samples. Asking after every one would stop at the
first lucky interval more often, and cost more than a small network itself."""


@dataclass(frozen=True)
class WarmUp:
    """How warm-up ended: `level_s` is the median pass of its last window, `stable` whether the windows agreed."""

    level_s: float
    stable: bool
    calls: int
    seconds: float


@dataclass(frozen=True)
class Samples:
    """What was sampled. `ratios` are candidate over reference, of neighbours in time; all else in seconds.

    `paces` are second passes of the reference, each right after the one in `reference_s`: by then it has the caches to
    itself, so that they say the same of the machine whatever the candidate is. `moments` has for each of them when it
    ended, and how long this process had been busy until then.
    """

    candidate_s: tuple[float, ...]
    reference_s: tuple[float, ...]
    ratios: tuple[float, ...]
    stopped_by: StoppedBy
    seconds: float
    paces: tuple[float, ...]
    moments: tuple[tuple[float, float], ...]


def warm_up(call: Call, timer: Timer, rule: WarmUpRule, budget: Budget, *, clock: Clock = time.perf_counter) -> WarmUp:
    """Calls until the level is stable, or until the rule's share of the whole measurement's budget is spent."""
    begin = clock()
    levels: list[float] = []
    calls = 0
    while True:
        window: list[float] = []
        opened = clock()
        while not window or clock() - opened < rule.window_s:
            window.append(timer(call))
        calls += len(window)
        levels.append(median(window))
        elapsed = clock() - begin
        stable = rule.is_stable(levels) and elapsed >= min(rule.min_seconds, budget.max_seconds)
        if stable or elapsed >= rule.max_share * budget.seconds(levels[-1]):
            return WarmUp(levels[-1], stable, calls, elapsed)


def reference_every(sample_s: float, reference_s: float) -> int:
    """How many samples of the candidate, of `sample_s` each, there are to one of the reference; 1 is alternation."""
    return max(1, math.ceil(reference_s / (REFERENCE_SHARE * sample_s))) if sample_s > 0 else 1


def sample(
    candidate: Call,
    reference: Call,
    timer: Timer,
    rule: StoppingRule,
    *,
    repeats: int = 1,
    every: int = 1,
    clock: Clock = time.perf_counter,
    busy: Clock = unknown,
) -> Samples:
    """Samples the candidate, `repeats` calls each, and the reference twice after the first of each `every` of them.

    `busy` tells the CPU seconds that this process has spent.
    """
    begin = clock()
    samples: list[float] = []
    references: list[float] = []
    ratios: list[float] = []
    paces: list[float] = []
    moments: list[tuple[float, float]] = []
    next_check = 1
    stopped_by: StoppedBy | None = None
    while stopped_by is None:
        samples.append(timer(candidate, repeats))
        if (len(samples) - 1) % every == 0:
            references.append(timer(reference))
            ratios.append(samples[-1] / references[-1] if references[-1] > 0 else math.inf)
            paces.append(timer(reference))
            moments.append((clock() - begin, busy()))
        elapsed = clock() - begin
        if len(samples) >= next_check or rule.is_spent(samples, elapsed):
            stopped_by = rule.verdict(samples, elapsed)
            next_check = math.ceil(len(samples) * CHECK_GROWTH)
    seconds = clock() - begin
    return Samples(tuple(samples), tuple(references), tuple(ratios), stopped_by, seconds, tuple(paces), tuple(moments))
