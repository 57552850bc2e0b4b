"""Which axes of a tensor run over the places of the image, through permutations and reshapes.

An axis is "h" (rows), "w" (columns), "p" (both, flattened) or "" (batch, channels, heads, places in a window).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

Axes = tuple[str, ...]

IMAGE: Axes = ("", "", "h", "w")
"""Of a tensor of shape (batch, channels, H, W)."""

_DISTINCT = (2, 3, 5, 7, 11, 13, 17, 19)


def blank(dims: int) -> Axes:
    """Of a tensor that has no place in the image."""
    return ("",) * dims


def guess(dims: int, sources: Iterable[Axes]) -> Axes:
    """Of what an unknown function makes of tensors with these axes."""
    for source in sources:
        if len(source) == dims and any(source):
            return source
    return IMAGE if dims == 4 else blank(dims)


def permuted(axes: Axes, function: Callable[..., torch.Tensor], *args: Any, **kwargs: Any) -> Axes:
    """`axes` reordered as `function` (a permutation of axes) reorders those of a tensor."""
    if len(axes) > len(_DISTINCT):
        return blank(len(axes))
    probe = torch.empty(_DISTINCT[: len(axes)], device="meta")
    return tuple(axes[_DISTINCT.index(size)] for size in function(probe, *args, **kwargs).shape)


def reshaped(axes: Axes, before: Sequence[int], after: Sequence[int]) -> Axes:
    """`axes` of a tensor of shape `before` after a reshape to `after`."""
    found = [""] * len(after)
    old = new = 0
    while old < len(before) and new < len(after):
        if (before[old] == 1) != (after[new] == 1):  # an axis of one place comes or goes
            old, new = old + (before[old] == 1), new + (after[new] == 1)
            continue
        old_end, new_end = old + 1, new + 1
        old_size, new_size = before[old], after[new]
        while old_size != new_size:  # the next axes that hold the same elements together
            if old_size < new_size and old_end < len(before):
                old_size *= before[old_end]
                old_end += 1
            elif new_size < old_size and new_end < len(after):
                new_size *= after[new_end]
                new_end += 1
            else:
                return tuple(found)
        _relabel(found, [label for label in axes[old:old_end] if label], range(new, new_end))
        old, new = old_end, new_end
    return tuple(found)


def _relabel(found: list[str], labels: list[str], places: Sequence[int]) -> None:
    """Gives the labels of a group of axes to the group that they became."""
    if not labels:
        return
    if len(labels) == len(places):
        for place, label in zip(places, labels, strict=True):
            found[place] = label
    elif labels == ["p"] and len(places) == 2:
        found[places[0]], found[places[1]] = "h", "w"
    else:  # flattened together, or cut into windows: the first axis counts the windows
        found[places[0]] = labels[0] if len(labels) == 1 else "p"


def normal_dims(dims: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Axis numbers from 0, of what a function takes as `dim`: None for all, an int, or several."""
    several = (dims,) if isinstance(dims, int) else tuple(dims or ())
    return tuple(dim % count for dim in several) or tuple(range(count))
