"""What the rules share: sizes that may be given once for all axes, and changes of a receptive field by axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nas.cost.counter import Seen
from nas.cost.field import Axis, Field

Change = Callable[[Axis], Axis]


def several(value: Any, count: int) -> tuple[int, ...]:
    """A size for each of `count` axes, of one that may be given once for all of them."""
    if isinstance(value, int):
        return (value,) * count
    return tuple(value) * (count if len(value) == 1 else 1)


def along(seen: Seen, changes: Mapping[int, Change]) -> Field | None:
    """The field behind a change of some of a tensor's axes, given by the axis's number.

    An axis that does not run over the image changes nothing; one of flattened places is followed along the rows.
    """
    if seen.field is None:
        return None
    vertical, horizontal = seen.field
    for place, change in changes.items():
        label = seen.axes[place]
        if label == "h":
            vertical = change(vertical)
        elif label:
            horizontal = change(horizontal)
    return vertical, horizontal


def window(kernel: int, stride: int, padding: int, dilation: int) -> Change:
    """Of a convolution or a pool."""
    return lambda axis: axis.window(kernel, stride, padding, dilation)


def transposed(kernel: int, stride: int, padding: int, dilation: int) -> Change:
    """Of a transposed convolution."""
    return lambda axis: axis.transposed(kernel, stride, padding, dilation)


def resized(before: int, after: int, taps: int = 1) -> Change:
    """Of an interpolation."""
    return lambda axis: axis.resized(before, after, taps)


def shifted(start: int, step: int = 1) -> Change:
    """Of a slice."""
    return lambda axis: axis.shifted(start, step)
