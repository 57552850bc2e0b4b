"""Receptive fields: which input pixels an output pixel sees, one axis of the image at a time.

Along one axis, the output pixel at place p sees the input pixels from p * jump + low to p * jump + high (Araujo, Norris
and Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, equations 1 to 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from nas.cost.table import Size


class Axis(NamedTuple):
    """What is seen along one axis. Where the axis was pooled away (`whole`), windows add nothing any more."""

    low: Size = 0
    high: Size = 0
    jump: Size = 1
    whole: bool = False

    @property
    def extent(self) -> Size:
        """How many input pixels are seen, through local operations."""
        return self.high - self.low + 1

    def window(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Axis:
        """Behind a convolution or a pool."""
        if self.whole:
            return self
        high = self.high + ((kernel - 1) * dilation - padding) * self.jump
        return Axis(self.low - padding * self.jump, high, self.jump * stride)

    def transposed(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Axis:
        """Behind a transposed convolution: ceil(extent of the kernel / stride) pixels meet in one of its output."""
        if self.whole:
            return self
        seen, shift = ceil(((kernel - 1) * dilation + 1) / stride), padding // stride
        low, high = self.low - (seen - 1 - shift) * self.jump, self.high + shift * self.jump
        return Axis(low, high, self.jump / Fraction(stride))

    def resized(self, before: int, after: int, taps: int) -> Axis:
        """Behind an interpolation from `before` to `after` pixels, `taps` of which meet in each of its output."""
        if self.whole or before == after:
            return self
        high = self.high + taps // 2 * self.jump
        return Axis(self.low - max(0, taps // 2 - 1) * self.jump, high, self.jump * Fraction(before, after))

    def shifted(self, places: int, step: int = 1) -> Axis:
        """Behind a slice that starts at `places` and takes every `step`-th place."""
        moved = 0 if self.whole else places * self.jump
        return Axis(self.low + moved, self.high + moved, self.jump * step, self.whole)

    def pooled(self) -> Axis:
        """Behind an operation that sees all of the axis."""
        return Axis(self.low, self.high, self.jump, whole=True)


Field = tuple[Axis, Axis]
"""Along the height and along the width."""

START: Field = (Axis(), Axis())
"""Of the input itself."""


def union(fields: Iterable[Field]) -> Field | None:
    """What is seen by something that takes in all of these branches; None of none."""
    found = list(dict.fromkeys(fields))
    if len(found) < 2:
        return found[0] if found else None
    vertical, horizontal = zip(*found, strict=True)
    return _union(vertical), _union(horizontal)


def _union(axes: tuple[Axis, ...]) -> Axis:
    local = [axis for axis in axes if not axis.whole]
    jump = max(axis.jump for axis in local or axes)
    return Axis(min(axis.low for axis in axes), max(axis.high for axis in axes), jump, whole=not local)
