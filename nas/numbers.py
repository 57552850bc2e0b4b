"""Numbers as people read them."""

from __future__ import annotations

import math


def count(value: float) -> str:
    """A number of things: `950`, `21.46 M`, `8.447 G`."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.4g}"


def rounded(value: float) -> str:
    """A number as a person reads it: four significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.4g}"


WIDE = 0.2
"""A share of a value: an interval whose longer half is wider is written out, for its two halves differ too much."""


def plus_minus(value: float, low: float, high: float) -> str:
    """`3.12 ±0.05`: the value to the digit in which it is uncertain, but to two digits at least, with the longer half
    of its interval; `0.46 [0.31, 1.1]` where that is wide.

    The value alone where the interval is missing or has no width.
    """
    half = max(value - low, high - value)
    if not math.isfinite(half) or half <= 0:
        return rounded(value)
    if half > WIDE * abs(value):
        if max(abs(low), abs(value), abs(high)) >= 10:
            return f"{rounded(value)} [{rounded(low)}, {rounded(high)}]"
        return f"{value:.2g} [{low:.2g}, {high:.2g}]"
    digits = -math.floor(math.log10(half))
    if round(half, digits) >= 10.0 ** (1 - digits):  # 0.096 is 0.1 to one digit
        digits -= 1
    digits = max(digits, 1 - math.floor(math.log10(abs(value))))
    if abs(value) >= 1e6 or digits > 9:
        return f"{rounded(value)} ±{half:.1g}"
    decimals = max(digits, 0)
    return f"{value:.{decimals}f} ±{round(half, digits):.{decimals}f}"
