"""Wilcoxon's signed ranks, read as an estimate: the centre of a symmetric distribution, with an exact interval.

Nothing but the symmetry is assumed of the distribution: a process that caught a spike counts by its rank, however high
the spike; and a machine on which a process is either lucky or not, by one and the same amount, is no trap, as it is for
Student's t: four equal values in a row are nothing rare there, and have no spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Centre:
    """The Hodges-Lehmann estimate, and the interval of Tukey; infinite where there are too few values for one."""

    value: float
    low: float
    high: float


def centre(values: Sequence[float], level: float) -> Centre:
    """The median of all means of two values (each with itself among them), and an interval between two of these means.

    The k-th smallest of the M means is above c exactly where the signed rank sum of the values less c is above M - k;
    so the interval from the k-th smallest to the k-th largest misses the centre with twice the probability that the
    rank sum is below k, which is known exactly (Hollander and Wolfe, Nonparametric Statistical Methods, 2nd edition,
    sections 3.2 and 3.3). The narrowest such interval is taken that misses with probability `level` or less.

    Raises:
        ValueError: there are no values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("no values have no centre")
    array = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(len(array))
    means = np.sort((array[first] + array[second]) / 2)
    middle = float(np.median(means))
    if (rank := interval_rank(len(array), level)) == 0:
        return Centre(middle, -np.inf, np.inf)
    return Centre(middle, float(means[rank - 1]), float(means[-rank]))


@lru_cache(maxsize=4096)
def interval_rank(n: int, level: float) -> int:
    """The largest k for which the rank sum of n values is below k with at most half of `level`'s chance, or 0."""
    import numpy as np

    return int(np.searchsorted(np.cumsum(distribution(n)), level / 2, side="right"))


@lru_cache(maxsize=512)
def distribution(n: int) -> NDArray[np.float64]:
    """P(rank sum = 0, 1, ... n (n + 1) / 2): each rank is in the sum or not, with probability 1/2."""
    import numpy as np

    chances = np.zeros(n * (n + 1) // 2 + 1)
    chances[0] = 1.0
    for rank in range(1, n + 1):
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    return chances
