"""When one of two networks may be called faster. Arithmetic only: no clock, no network.

The process is the unit: passes within one share its memory layout and its neighbours, and are no independent witnesses.
So each process gives one number, the median of log(b / a) over its pairs, and a t interval of their mean is looked at
after some numbers of processes. Looking often makes a false verdict likelier; so each look has its share of the error
(the union bound, as Pocock 1977 shares it equally among the looks), and the intervals of all looks hold together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Verdict = Literal["faster", "slower", "no_difference", "undecided"]
"""Of the second network beside the first."""

LOOKS = (4, 6, 8, 11, 16)
"""After so many processes the numbers are looked at."""
CONFIDENCE = 0.95
"""With which the intervals of all looks hold the true ratio."""
MARGIN = 0.02
"""A difference that is certainly smaller than this share is none."""


@dataclass(frozen=True)
class Look:
    """What some processes say.

    Attributes:
        ratio: of b's time to a's, the geometric mean over the processes.
        low, high: its interval.
        verdict: `undecided` where neither a difference nor its absence is certain.
    """

    ratio: float
    low: float
    high: float
    verdict: Verdict


def look(logs: Sequence[float], margin: float = MARGIN) -> Look:
    """What `logs`, one log(b / a) a process, say by now; `undecided` between two looks, whatever they say.

    Raises:
        ValueError: there are none.
    """
    if not logs:
        raise ValueError("no processes say nothing")
    n = len(logs)
    mean = sum(logs) / n
    if n < 2:
        return Look(math.exp(mean), 0.0, math.inf, "undecided")
    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / (n - 1))
    reach = _t(n - 1) * deviation / math.sqrt(n)
    low, high = mean - reach, mean + reach
    verdict = _verdict(low, high, margin) if n in LOOKS else "undecided"
    return Look(math.exp(mean), math.exp(low), math.exp(high), verdict)


def _verdict(low: float, high: float, margin: float) -> Verdict:
    within = math.log1p(margin)
    if -within < low and high < within:
        return "no_difference"
    if low > 0:
        return "slower"
    return "faster" if high < 0 else "undecided"


@cache
def _t(freedom: int) -> float:
    """The quantile of Student's t that leaves each look its share of the error, half of it on either side."""
    from scipy.stats import t

    return float(t.ppf(1 - (1 - CONFIDENCE) / len(LOOKS) / 2, freedom))
