"""Pools and reductions. fvcore counts the elements of an adaptive average pool's input, and none of the others."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

from torch import Tensor

from nas.cost.axes import Axes, guess, normal_dims
from nas.cost.counter import Call, Changed, FunctionCounter, Rule, Seen
from nas.cost.field import Axis, Field
from nas.cost.rules.common import Change, along, several, window


def pool(dims: int) -> Rule:
    """max_pool and avg_pool: a window that no counter counts."""

    def rule(counter: FunctionCounter, call: Call) -> Any:
        dilation = call.arg(4, "dilation", 1) if "max" in call.name else 1
        stride, padding = call.arg(2, "stride", None), call.arg(3, "padding", 0)
        return _pooled(counter, call, dims, (call.arg(1, "kernel_size"), stride, padding, dilation))

    return rule


def power_pool(dims: int) -> Rule:
    """lp_pool: made of several operators, so never counted here."""

    def rule(counter: FunctionCounter, call: Call) -> Any:
        if counter.exact:
            counter.unsure(call.name)
        return _pooled(counter, call, dims, (call.arg(2, "kernel_size"), call.arg(3, "stride", None), 0, 1))

    return rule


def _pooled(counter: FunctionCounter, call: Call, dims: int, windows: tuple[Any, Any, Any, Any]) -> Any:
    x = call.arg(0, "input")
    if x.dim() != dims + 2:
        counter.unsure(f"{call.name} without a batch axis")
    kernel, stride, padding, dilation = windows
    stride = kernel if stride is None or stride in ((), []) else stride
    sizes = zip(*(several(size, dims) for size in (kernel, stride, padding, dilation)), strict=True)
    seen = counter.seen(x)
    field = along(seen, {place: window(*each) for place, each in enumerate(sizes, start=2)})
    return _reported(counter, call, lambda _: (seen.axes, field))


def adaptive_pool(dims: int, kind: str) -> Rule:
    """To one place: an operation on the whole map. `kind` is "avg" or "max"."""

    def rule(counter: FunctionCounter, call: Call) -> Any:
        x, size = call.arg(0, "input"), call.arg(1, "output_size")
        if x.dim() != dims + 2:
            counter.unsure(f"{call.name} without a batch axis")
        if kind == "max" and counter.exact:
            counter.unsure(call.name)
        before = x.shape[2:]
        given = size if isinstance(size, tuple | list) and len(size) == dims else several(size, dims)
        after = [n if wanted is None else wanted for n, wanted in zip(before, given, strict=True)]
        seen = counter.seen(x)
        if seen.field is not None and any(seen.axes[place] and m == 1 for place, m in enumerate(after, start=2)):
            counter.saw_everything(f"adaptive_{kind}_pool{dims}d")
        bins = [_bins(n, m) for n, m in zip(before, after, strict=True)]
        field = along(seen, dict(enumerate(bins, start=2)))
        if kind == "max" or dims != 2:
            return _reported(counter, call, lambda _: (seen.axes, field))
        result = counter.answer(call, (*x.shape[:2], *after), x)
        counter.remember(result, Seen(seen.axes, field, seen.counted | counter.count(flops=x.numel())))
        return result

    return rule


def _bins(before: int, after: int) -> Change:
    """Each of `after` places pools before / after of them; where this does not divide, bins overlap by one."""

    def change(axis: Axis) -> Axis:
        if after == 1:
            return axis.pooled()
        if before % after == 0:
            return axis.window(before // after, before // after)
        wide = axis.window(ceil(before / after) + 1)
        return wide if wide.whole else wide._replace(jump=axis.jump * Fraction(before, after))

    return change


def reduction(place: int, sure: bool) -> Rule:
    """mean, sum, var, norm, ...: computes, and no counter counts it. Over places it sees the whole map.

    Args:
        place: of the argument `dim`.
        sure: whether fvcore meets it as one operator of the function's name.
    """

    def rule(counter: FunctionCounter, call: Call) -> Any:
        x, dims = call.arg(0, "input"), call.arg(place, "dim", None)
        if (counter.exact and not sure) or not _are_axes(dims):
            counter.unsure(call.name)
        seen = counter.seen(x)
        reduced = normal_dims(dims, x.dim())
        gone = [each for each in reduced if seen.axes[each]]
        if gone and seen.field is not None:
            counter.saw_everything(call.name)
        field: Field | None = along(seen, dict.fromkeys(gone, Axis.pooled))
        if field is not None and any(seen.axes[each] == "p" for each in gone):
            field = field[0].pooled(), field[1].pooled()
        left = tuple(label for each, label in enumerate(seen.axes) if each not in reduced)

        def changed(result: Tensor) -> tuple[Axes, Field | None]:
            return (seen.axes if result.dim() == x.dim() else left), field

        return _reported(counter, call, changed)

    return rule


def _are_axes(dims: object) -> bool:
    each = dims if isinstance(dims, tuple | list) else () if dims is None else (dims,)
    return all(isinstance(dim, int) and not isinstance(dim, bool) for dim in each)


def along_axis(place: int, sure: bool) -> Rule:
    """softmax, cumsum, topk, ...: sees all of one axis and keeps it. Arguments as of `reduction`."""

    def rule(counter: FunctionCounter, call: Call) -> Any:
        x, dim = call.arg(0, "input"), call.arg(place, "dim", None)
        if (counter.exact and (not sure or dim is None)) or not _are_axes(dim):
            counter.unsure(call.name)
        seen = counter.seen(x)
        if seen.field is not None and any(seen.axes[each] for each in normal_dims(-1 if dim is None else dim, x.dim())):
            counter.saw_everything(call.name)
        return _reported(counter, call, lambda result: (guess(result.dim(), [seen.axes]), seen.field))

    return rule


def _reported(counter: FunctionCounter, call: Call, changed: Changed) -> Any:
    return counter.follow(call, changed, counter.count(unsupported=f"aten::{call.name}"))
