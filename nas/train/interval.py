"""The interval of an accuracy that was counted on finitely many images."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""Of the normal distribution, 95 % lies within this many standard deviations."""


def wilson(correct: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of correct / total: (low, high), within 0 and 1.

    It covers which images the split happens to hold, not what another seed of the training would have given.
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Raises:
        ValueError: not 0 <= correct <= total, or total is 0.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} correct of {total} is no share")
    share = correct / total
    scale = 1 + z * z / total
    centre = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)
