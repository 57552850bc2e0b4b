"""Convolutions, linear layers and matrix products: the operations that multiply and accumulate.

fvcore counts one FLOP a multiply-accumulate, and the elements of their outputs as activations (not those of `mm`).
"""

from __future__ import annotations

from math import prod
from typing import Any

from nas.cost.counter import Call, FunctionCounter, Rule, Seen
from nas.cost.field import union
from nas.cost.rules.common import along, several, transposed, window


def convolution(dims: int, transpose: bool = False) -> Rule:
    """Weights x places of the output; x places of the input, where transposed."""

    def rule(counter: FunctionCounter, call: Call) -> Any:
        x, weight = call.arg(0, "input"), call.arg(1, "weight")
        if x.dim() != dims + 2 or weight.dim() != dims + 2:
            counter.unsure(f"{call.name} without a batch axis")
        kernel = weight.shape[2:]
        strides = several(call.arg(3, "stride", 1), dims)
        dilations = several(call.arg(7 if transpose else 5, "dilation", 1), dims)
        padding = call.arg(4, "padding", 0)
        if isinstance(padding, str):
            if counter.exact:  # fvcore knows no convolution with padding="same", FlopCounterMode does
                counter.unsure(f"{call.name} with padding '{padding}'")
            paddings = tuple((k - 1) * d // 2 * (padding == "same") for k, d in zip(kernel, dilations, strict=True))
        else:
            paddings = several(padding, dims)
        windows = list(zip(kernel, strides, paddings, dilations, strict=True))
        if transpose:
            result = call()
        elif counter.exact and weight.shape[1] * call.arg(6, "groups", 1) != x.shape[1]:
            counter.unsure(f"{call.name} of other channels than its weights have")
        else:
            places = [(n + 2 * p - d * (k - 1) - 1) // s + 1
                      for n, (k, s, p, d) in zip(x.shape[2:], windows, strict=True)]
            result = counter.answer(call, (x.shape[0], weight.shape[0], *places), x)
        macs = x.shape[0] * weight.numel() * prod((x if transpose else result).shape[2:])
        bit = counter.count(macs=macs, flops=macs, activations=result.numel())
        seen, weights = counter.seen(x), counter.seen(weight)
        change = transposed if transpose else window
        field = along(seen, {place: change(*each) for place, each in enumerate(windows, start=2)})
        if weights.field is not None:  # weights that were computed from the image
            field = union(part for part in (field, weights.field) if part is not None)
        counter.remember(result, Seen(seen.axes, field, counter.counted(counter.sources(call)) | bit))
        return result

    return rule


def operator_convolution(counter: FunctionCounter, call: Call) -> Any:
    """aten.convolution, which all convolutions become: (input, weight, bias, stride, padding, dilation, transposed,
    output padding, groups). Followed, not counted.
    """
    x, weight, _, stride, padding, dilation, transpose, *_ = call.args
    seen, dims = counter.seen(x), x.dim() - 2
    change = transposed if transpose else window
    windows = zip(weight.shape[2:], *(several(size, dims) for size in (stride, padding, dilation)), strict=True)
    field = along(seen, {place: change(*each) for place, each in enumerate(windows, start=2)})
    return counter.follow(call, lambda _: (seen.axes, field))


def linear(counter: FunctionCounter, call: Call) -> Any:
    """Elements of the input x features of the output. Over the places of the image it sees the whole map."""
    x, weight = call.arg(0, "input"), call.arg(1, "weight")
    if weight.dim() != 2 or x.dim() < 2 or x.shape[-1] != weight.shape[1]:
        counter.unsure(f"{call.name} of these shapes")
    sources, seen = counter.sources(call), counter.seen(x)
    if seen.axes[-1] and seen.field is not None and x.dim() > 2:
        counter.saw_everything(call.name)
    result = counter.answer(call, (*x.shape[:-1], weight.shape[0]), x)
    macs = x.numel() * weight.shape[0]
    bit = counter.count(macs=macs, flops=macs, activations=result.numel())
    field = union(source.field for source in sources if source.field is not None)
    counter.remember(result, Seen((*seen.axes[:-1], ""), field, counter.counted(sources) | bit))
    return result


def matmul(counter: FunctionCounter, call: Call) -> Any:
    """Elements of the left factor x columns of the right one. Where batch axes broadcast the counters disagree."""
    if len(call.args) != 2 or call.kwargs:
        counter.unsure(f"{call.name} with these arguments")
    a, b = call.args
    if a.dim() < 2 or b.dim() < 2 or a.shape[-1] != b.shape[-2]:
        counter.unsure(f"{call.name} of vectors")
    if counter.exact and not (b.dim() == 2 or a.shape[:-2] == b.shape[:-2]):
        counter.unsure(f"{call.name} with batch axes that broadcast")
    left, right = counter.seen(a), counter.seen(b)
    result = counter.answer(call, (*a.shape[:-1], b.shape[-1]), a) if counter.exact else call()
    _note(counter, call.name, left, right)
    macs = a.numel() * b.shape[-1]
    bit = counter.count(macs=macs, flops=macs, activations=0 if call.name == "mm" else result.numel())
    ahead = left.axes[:-2] if a.dim() >= b.dim() else right.axes[:-2]
    field = union(source.field for source in (left, right) if source.field is not None)
    axes = (*ahead, left.axes[-2], right.axes[-1])
    counter.remember(result, Seen(axes, field, left.counted | right.counted | bit))
    return result


def added_product(counter: FunctionCounter, call: Call) -> Any:
    """addmm and baddbmm, a matrix product added to something: followed, not counted."""
    if counter.exact or len(call.args) != 3:
        counter.unsure(call.name)
    _note(counter, call.name, *(counter.seen(factor) for factor in call.args[1:]))
    return counter.follow(call)


def _note(counter: FunctionCounter, name: str, left: Seen, right: Seen) -> None:
    """A product of two factors that see the image sees all of it where it sums over places or pairs them."""
    if left.field is None or right.field is None:
        return
    if left.axes[-1] or right.axes[-2] or (left.axes[-2] and right.axes[-1]):
        counter.saw_everything(name)


def einsum(counter: FunctionCounter, call: Call) -> Any:
    """Followed, not counted: the counters take products of several factors apart in different ways."""
    if counter.exact or not isinstance(call.args[0], str) or "..." in call.args[0]:
        counter.unsure(call.name)
    inputs, _, output = call.args[0].replace(" ", "").partition("->")
    factors = zip(inputs.split(","), counter.sources(call), strict=True)
    places = [{letter for letter, label in zip(letters, seen.axes, strict=True) if label}
              for letters, seen in factors if seen.field is not None]
    summed = {letter for letters in places for letter in letters} - set(output)
    kept = [letters - summed for letters in places if letters - summed]
    if len(places) > 1 and (summed or any(letters != kept[0] for letters in kept)):
        counter.saw_everything(call.name)
    return counter.follow(call)
