"""Functions that move data, and interpolation. fvcore counts only the latter: nearest 1 an element of the output,
bilinear 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

from torch import Tensor

from nas.cost.axes import Axes, guess, permuted, reshaped
from nas.cost.counter import Call, FunctionCounter, Seen
from nas.cost.field import Field, union
from nas.cost.rules.common import Change, along, resized, several, shifted, window


def interpolate(counter: FunctionCounter, call: Call) -> Any:
    """Several pixels of the smaller map meet in each pixel of the larger one."""
    x, mode = call.arg(0, "input"), call.arg(3, "mode", "nearest")
    per_element = {"nearest": 1, "bilinear": 4}.get(mode)
    if x.dim() != 4 or (counter.exact and (per_element is None or call.arg(6, "antialias", False))):
        counter.unsure(f"{call.name} with mode '{mode}'")
    seen = counter.seen(x)
    result = call()
    taps = {"bilinear": 2, "bicubic": 4}.get(mode, 1)
    field = along(seen, {place: resized(x.shape[place], result.shape[place], taps) for place in (2, 3)})
    bit = counter.count(flops=(per_element or 0) * result.numel())
    counter.remember(result, Seen(seen.axes, field, seen.counted | bit))
    return result


def pixel_shuffle(counter: FunctionCounter, call: Call) -> Any:
    """Channels become places, or the other way round."""
    x = call.arg(0, "input")
    if x.dim() != 4:
        counter.unsure(f"{call.name} without a batch axis")
    seen = counter.seen(x)
    result = call()
    counter.remember(result, seen._replace(field=_rescaled(seen, seen.axes, x.shape, result.shape)))
    return result


def reshape(counter: FunctionCounter, call: Call) -> Any:
    """view, flatten, squeeze, ...: the same elements in the same order."""
    x = call.arg(0, "input")
    seen = counter.seen(x)
    result = call()
    before, after = tuple(x.shape), tuple(result.shape)
    if before == after:
        axes: Axes = seen.axes
    elif prod(before) == prod(after) and any(seen.axes):
        axes = reshaped(seen.axes, before, after)
        seen = seen._replace(field=_rescaled(seen, axes, before, after))
    else:
        axes = guess(len(after), [seen.axes])
    counter.remember(result, seen._replace(axes=axes))
    return result


def _rescaled(seen: Seen, axes: Axes, before: Sequence[int], after: Sequence[int]) -> Field | None:
    """The field where an axis of the image is cut into windows, or windows are put together again."""
    changes: dict[int, Change] = {}
    for label in "hw":
        if label in seen.axes and label in axes:
            place = seen.axes.index(label)
            old, new = before[place], after[axes.index(label)]
            ratio = Fraction(old, new or 1)
            if ratio > 1 and ratio.denominator == 1:
                changes[place] = window(int(ratio), int(ratio), 0, 1)
            elif ratio < 1:
                changes[place] = resized(old, new)
    return along(seen, changes)


def permutation(counter: FunctionCounter, call: Call) -> Any:
    """permute, transpose, movedim, ...: the same axes in another order."""
    if not call.args:
        counter.unsure(call.name)
    seen = counter.seen(call.args[0])
    result = call()
    axes = permuted(seen.axes, call.function, *call.args[1:], **call.kwargs) if any(seen.axes) else seen.axes
    counter.remember(result, seen._replace(axes=axes))
    return result


def getitem(counter: FunctionCounter, call: Call) -> Any:
    """Every second row halves the map, and a later start shifts what is seen."""
    x, index = call.args
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(part is None or part is Ellipsis or (isinstance(part, int | slice) and not isinstance(part, bool))
               for part in parts):
        counter.unsure("indexing by tensors or lists")
    seen = counter.seen(x)
    result = call()
    given = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    axes: list[str] = []
    changes: dict[int, Change] = {}
    place = 0
    for part in parts:
        if part is None:
            axes.append("")
        elif part is Ellipsis:
            axes += seen.axes[place : place + x.dim() - given]
            place += x.dim() - given
        else:
            if isinstance(part, slice):
                axes.append(seen.axes[place])
                start, _, step = part.indices(x.shape[place])
                changes[place] = shifted(start, step)
            place += 1
    counter.remember(result, Seen(tuple(axes), along(seen, changes), seen.counted))
    return result


def pad(counter: FunctionCounter, call: Call) -> Any:
    """What is put in front shifts what is seen."""
    x, widths = call.arg(0, "input"), call.arg(1, "pad")
    seen = counter.seen(x)
    field = along(seen, {x.dim() - 1 - axis: shifted(-front) for axis, front in enumerate(widths[::2])})
    return counter.follow(call, lambda _: (seen.axes, field))


def roll(counter: FunctionCounter, call: Call) -> Any:
    """Shifts what is seen; that it wraps around at the border is left out."""
    x, shifts, dims = call.arg(0, "input"), call.arg(1, "shifts"), call.arg(2, "dims", None)
    if counter.exact or dims is None:
        counter.unsure(call.name)
    seen = counter.seen(x)
    numbers = several(dims, 1)
    moves = zip(numbers, several(shifts, len(numbers)), strict=True)
    field = along(seen, {dim % x.dim(): shifted(-shift) for dim, shift in moves})
    return counter.follow(call, lambda _: (seen.axes, field))


def unfold(counter: FunctionCounter, call: Call) -> Any:
    """The places of a window become channels; the windows are flattened."""
    arguments = ((1, "kernel_size", None), (4, "stride", 1), (3, "padding", 0), (2, "dilation", 1))
    sizes = zip(*(several(call.arg(*argument), 2) for argument in arguments), strict=True)
    x = call.arg(0, "input")
    if counter.exact or x.dim() != 4:
        counter.unsure(call.name)
    seen = counter.seen(x)
    field = along(seen, {place: window(*each) for place, each in enumerate(sizes, start=2)})
    return counter.follow(call, lambda _: (("", "", "p"), field))


def joined(counter: FunctionCounter, call: Call) -> Any:
    """cat, chunk, split, ...: the number of axes stays."""
    return counter.follow(call)


def taken(counter: FunctionCounter, call: Call) -> Any:
    """unbind and stack: an axis goes or comes; what is left is guessed."""
    if counter.exact:
        counter.unsure(call.name)
    return counter.follow(call)


def setitem(counter: FunctionCounter, call: Call) -> Any:
    """Writes into a tensor, which then also sees what the written value sees."""
    if counter.exact:
        counter.unsure(call.name)
    target: Tensor = call.args[0]
    axes, sources = counter.seen(target).axes, counter.sources(call)
    call()
    field = union(seen.field for seen in sources if seen.field is not None)
    counter.remember(target, Seen(axes, field, counter.counted(sources)))
