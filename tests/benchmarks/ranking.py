"""How well a score ranks networks, and what of that is its own: rank correlations, with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A value with the 2.5 and 97.5 percentiles of its bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def spearman(one: Values, other: Values) -> float:
    """Pearson's correlation of the ranks, ties at their mean rank; 0 where one of them has no spread."""
    a, b = (ranks - ranks.mean() for ranks in (rankdata(one), rankdata(other)))
    norm = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / norm if norm else 0.0


def partial_spearman(one: Values, other: Values, given: Values) -> float:
    """What is left of `spearman(one, other)` among equals in `given`: the first-order partial correlation of the ranks.

    0 where `given` already orders one of the two completely. A logarithm of `given` changes nothing: it keeps ranks.
    """
    both, first, second = spearman(one, other), spearman(one, given), spearman(other, given)
    unexplained = (1 - first**2) * (1 - second**2)
    return (both - first * second) / math.sqrt(unexplained) if unexplained > 1e-12 else 0.0


def bootstrap(statistic: Callable[[NDArray[np.intp]], float], networks: int, seed: int = 0) -> Interval:
    """`statistic` of all networks, and its interval over resamples of them, drawn with replacement.

    Args:
        statistic: of the networks at these positions, of which there are as many as networks.
        networks: how many there are.
        seed: the same one draws the same resamples, so that differences are those of pairs.
    """
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.integers(networks, size=networks)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(statistic(np.arange(networks)), float(low), float(high))
