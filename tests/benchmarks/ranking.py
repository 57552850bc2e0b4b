"""How well a score ranks networks, and what of that is its own: rank correlations, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Positions = NDArray[np.intp]
"""Of networks, (resamples, networks), some of them more than once."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A value with the 2.5 and 97.5 percentiles of its bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def spearman(one: Values, other: Values) -> Values:
    """Pearson's correlation of the ranks along the last axis, ties at their mean rank; 0 where one has no spread."""
    a, b = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (_ranks(one), _ranks(other)))
    norm = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), norm, out=np.zeros_like(norm), where=norm > 0)


def _ranks(values: Values) -> Values:
    return np.asarray(rankdata(values, axis=-1), dtype=float)


def partial_spearman(one: Values, other: Values, given: Values) -> Values:
    """What is left of `spearman(one, other)` among equals in `given`: the first-order partial correlation of the ranks.

    0 where `given` already orders one of the two completely. A logarithm of `given` changes nothing: it keeps ranks.
    """
    both, first, second = spearman(one, other), spearman(one, given), spearman(other, given)
    unexplained = np.sqrt((1 - np.minimum(first**2, 1)) * (1 - np.minimum(second**2, 1)))
    return np.divide(both - first * second, unexplained, out=np.zeros_like(both), where=unexplained > 1e-6)


def bootstrap(statistic: Callable[[Positions], Values], networks: int, seed: int = 0) -> Interval:
    """`statistic` of all networks, and its interval over resamples of them, drawn with replacement.

    Args:
        statistic: of the networks at these positions, (resamples, networks): a value a resample.
        networks: how many there are.
        seed: the same one draws the same resamples, so that differences are those of pairs.
    """
    drawn = np.random.default_rng(seed).integers(networks, size=(RESAMPLES, networks))
    low, high = np.percentile(statistic(drawn), [2.5, 97.5])
    return Interval(float(statistic(np.arange(networks)[None])[0]), float(low), float(high))
