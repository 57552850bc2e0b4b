"""Numbers as people read them."""

from __future__ import annotations


def count(value: float) -> str:
    """A number of things: `950`, `21.46 M`, `8.447 G`."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    return f"{value:.4g}"
