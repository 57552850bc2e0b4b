"""The median, its confidence interval and the spread of samples of which no distribution is assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MedianInterval:
    """An interval of the median of the distribution that the samples came from.

    `coverage` is the exact chance that such an interval holds that median: at least the confidence asked for, except
    where there are too few samples for it (fewer than 6 at 95 %), and then the interval is their whole range.
    """

    low: float
    high: float
    coverage: float


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two middle ones.

    Raises:
        ValueError: there are no samples.
    """
    return quantile(samples, 0.5)


def quantile(samples: Sequence[float], share: float) -> float:
    """The `share` quantile (0 to 1) by linear interpolation between order statistics, as numpy's default does.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("no samples have no quantile")
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def interquartile_range(samples: Sequence[float]) -> float:
    """The upper quartile less the lower one, in the samples' unit."""
    return quantile(samples, 0.75) - quantile(samples, 0.25)


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> MedianInterval:
    """The confidence interval of the median between two order statistics.

    How many of n independent samples lie below the median is Binomial(n, 1/2) whatever the distribution is, so the
    interval from the k-th smallest to the k-th largest holds it with probability 1 - 2 P(Binomial(n, 1/2) < k)
    (David and Nagaraja, Order Statistics, 3rd edition, section 7.1). The narrowest such interval is taken.

    Samples of one process are not independent of each other, and share its memory layout and its neighbours: this
    interval says how well the median *of this process* is known, and is too narrow for that of the next one.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("no samples have no median")
    ordered = sorted(samples)
    rank, coverage = _rank(len(ordered), confidence)
    return MedianInterval(ordered[rank - 1], ordered[-rank], coverage)


@lru_cache(maxsize=4096)
def _rank(n: int, confidence: float) -> tuple[int, float]:
    """The largest k whose interval still has the confidence, at least 1, and the coverage that it has."""
    total = 2**n
    below, term, rank = 1, 1, 1  # samples below the median: P(none) = 1 / 2^n, as whole numbers
    while rank < (n + 1) // 2:
        term = term * (n - rank + 1) // rank
        if 1 - 2 * ((below + term) / total) < confidence:
            break
        below += term
        rank += 1
    return rank, max(0.0, 1 - 2 * (below / total))


def fresh_process_interval(medians: Sequence[float], confidence: float = 0.9) -> tuple[float, float]:
    """Where the median of one more fresh process is to be expected, given those of several.

    A prediction interval of one further observation from a normal population (Hahn and Meeker, Statistical Intervals,
    1991, section 4.8): mean +- t(n - 1) s sqrt(1 + 1 / n), of the logarithms, since what slows a process multiplies.
    With 3 processes it is wide, for two of them say little of their spread; with one it is everything.

    Raises:
        ValueError: there are none, or one is not above 0.
    """
    if not medians or min(medians) <= 0:
        raise ValueError("medians must be above 0, and there must be one")
    if len(medians) == 1:
        return 0.0, math.inf
    from scipy.stats import t

    logs = [math.log(value) for value in medians]
    n = len(logs)
    mean = sum(logs) / n
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / (n - 1))
    reach = float(t.ppf((1 + confidence) / 2, n - 1)) * deviation * math.sqrt(1 + 1 / n)
    return math.exp(mean - reach), math.exp(mean + reach)
