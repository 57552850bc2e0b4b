"""What looking again and again costs: how strict each look must be for all of them together to err rarely."""

from __future__ import annotations

import math
from functools import lru_cache

NODES = 96
"""Of the quadrature; twice as many change the level of 100 looks in the 8th digit."""


@lru_cache(maxsize=256)
def nominal_level(first: int, last: int, error: float) -> float:
    """The two-sided level of the test at each look, after `first`, `first` + 1, ... `last` observations.

    A test at 5 % that is asked after every observation finds a difference where there is none in far more than 5 % of
    cases. With this level at every look (the boundary of Pocock, Biometrika 64, 1977), any of them does so with
    probability `error` only. The chance is the integral of Armitage, McPherson and Rowe (JRSS A 132, 1969) over the
    random walk of independent normal observations that no look has stopped yet; carrying the nominal level over to
    another test than that of normal means is Pocock's significance level approach (Jennison and Turnbull, Group
    Sequential Methods, 2000, section 3.7). A duel that ends before `last` has looked less often, and errs less.

    Raises:
        ValueError: `first` is below 1, or above `last`.
    """
    if not 1 <= first <= last:
        raise ValueError(f"looks from {first} to {last}")
    from scipy.optimize import brentq
    from scipy.stats import norm

    alone = float(norm.isf(error / 2))
    if first == last:
        return error
    often = float(norm.isf(error / (2 * (last - first + 1))))  # Bonferroni's bound, which is stricter than needed
    bound = brentq(lambda z: _crossing(z, first, last) - error, alone, often, xtol=1e-9)
    return 2 * float(norm.sf(bound))


def _crossing(bound: float, first: int, last: int) -> float:
    """The chance that a standardised random walk leaves +-`bound` at one of the looks."""
    import numpy as np
    from scipy.stats import norm

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edge = bound * math.sqrt(first)
    crossed = 2 * float(norm.sf(bound))
    places = edge * nodes
    mass = norm.pdf(places, scale=math.sqrt(first)) * edge * weights  # of the walks that have not crossed
    for n in range(first + 1, last + 1):
        edge = bound * math.sqrt(n)
        crossed += float(((norm.sf(edge - places) + norm.cdf(-edge - places)) * mass).sum())
        after = edge * nodes
        mass = (norm.pdf(after[:, None] - places[None, :]) @ mass) * edge * weights
        places = after
    return crossed
