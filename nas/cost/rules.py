"""What each known function costs: the rules of fvcore's FlopCountAnalysis and ActivationCountAnalysis in eval mode.

The formulas are those of fvcore 0.1.5 and are held to it, function by function, by tests. fvcore counts one FLOP a
multiply-accumulate; batch norm 2 an element (1 without weights), other norms 5 (4), adaptive average pooling 1 an
element of its input, upsampling 1 (nearest) or 4 (bilinear) an element of its output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.cost.axes import Axes, blank, guess, normal_dims, permuted, reshaped
from nas.cost.counter import FunctionCounter, Rule, Seen, name_of, tensors_in
from nas.cost.field import Axis, Field
from nas.cost.operators import computes

Args = Sequence[Any]
Kwargs = Mapping[str, Any]

_MISSING = object()


def pick(args: Args, kwargs: Kwargs, place: int, name: str, default: Any = _MISSING) -> Any:
    """An argument, given by position or by name."""
    if place < len(args):
        return args[place]
    return kwargs[name] if default is _MISSING else kwargs.get(name, default)


def several(value: Any, count: int) -> tuple[int, ...]:
    """A size that may be given once for all axes."""
    return (value,) * count if isinstance(value, int) else tuple(value) * (count if len(value) == 1 else 1)


def along(seen: Seen, change: Mapping[int, Any]) -> Field | None:
    """The field behind a change of some of the tensor's axes: axis number -> function of `Axis`."""
    if seen.field is None:
        return None
    field = list(seen.field)
    for place, function in change.items():
        label = seen.axes[place]
        if label:
            index = 0 if label == "h" else 1  # flattened places are followed along the rows
            field[index] = function(field[index])
    return field[0], field[1]


def made(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs, shape: Sequence[int], like: Tensor) -> Tensor:
    """The result: of the call, or on the meta device, where only its shape matters, an empty tensor of that shape."""
    if counter.exact and min(shape, default=1) > 0:
        return torch.empty(shape, dtype=like.dtype, device="meta")
    result: Tensor = func(*args, **kwargs)
    return result


def elementwise(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Costs nothing by fvcore's rules; broadcasts."""
    sources = counter.sources(args, kwargs)
    result = func(*args, **kwargs)
    axes = guess(result.dim(), [seen.axes for seen in sources])
    counter.remember(result, counter.joined(sources, axes))
    return result


def information(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Shapes and types: no tensor comes out."""
    return func(*args, **kwargs)


def values(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Gives values to Python: what is computed there, and where they decide what is called, no counter sees."""
    if any(seen.field is not None for seen in counter.sources(args, kwargs)):
        counter.values_used.append(name_of(func))
    if counter.exact:
        counter.unsure(name_of(func))
    return func(*args, **kwargs)


def convolution(dims: int, transposed: bool = False) -> Rule:
    """Multiply-accumulates: weights x places of the output (of the input, where transposed)."""

    def rule(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
        x, weight = pick(args, kwargs, 0, "input"), pick(args, kwargs, 1, "weight")
        stride, padding = pick(args, kwargs, 3, "stride", 1), pick(args, kwargs, 4, "padding", 0)
        groups = pick(args, kwargs, 6 if not transposed else 6, "groups", 1)
        dilation = pick(args, kwargs, 7 if transposed else 6 - 1, "dilation", 1)
        if x.dim() != dims + 2 or weight.dim() != dims + 2:
            counter.unsure(name_of(func))
        kernel = tuple(weight.shape[2:])
        steps, spread = several(stride, dims), several(dilation, dims)
        if isinstance(padding, str):
            if counter.exact:
                counter.unsure(f"{name_of(func)} with padding '{padding}'")
            pads = tuple((k - 1) * d // 2 if padding == "same" else 0 for k, d in zip(kernel, spread, strict=True))
        else:
            pads = several(padding, dims)
        windows = list(zip(x.shape[2:], kernel, steps, pads, spread, strict=True))
        if transposed:
            result = func(*args, **kwargs)
        elif counter.exact and weight.shape[1] * groups != x.shape[1]:
            counter.unsure(f"{name_of(func)} of other channels than its weights have")
        else:
            places = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in windows)
            result = made(counter, func, args, kwargs, (x.shape[0], weight.shape[0], *places), x)
        macs = x.shape[0] * weight.numel() * prod((x if transposed else result).shape[2:])
        bit = counter.count(macs=macs, flops=macs, activations=result.numel())
        seen = counter.seen(x)
        change = {}
        for place, (_, k, s, p, d) in enumerate(windows, start=2):
            change[place] = _transposed(k, s, p, d) if transposed else _window(k, s, p, d)
        others = [source for source in counter.sources(args[1:], kwargs) if source is not seen]
        joined = counter.joined([seen._replace(field=along(seen, change)), *others], seen.axes)
        counter.remember(result, joined._replace(counted=joined.counted | bit))
        return result

    return rule


def _window(kernel: int, stride: int, padding: int, dilation: int) -> Any:
    return lambda axis: axis.window(kernel, stride, padding, dilation)


def _transposed(kernel: int, stride: int, padding: int, dilation: int) -> Any:
    return lambda axis: axis.transposed(kernel, stride, padding, dilation)


def linear(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Multiply-accumulates: elements of the input x features of the output."""
    x, weight = pick(args, kwargs, 0, "input"), pick(args, kwargs, 1, "weight")
    if weight.dim() != 2 or x.dim() < 2 or x.shape[-1] != weight.shape[1]:
        counter.unsure(name_of(func))
    sources = counter.sources(args, kwargs)
    seen = counter.seen(x)
    if seen.axes[-1] and seen.field is not None:
        counter.saw_everything(name_of(func))
    result = made(counter, func, args, kwargs, (*x.shape[:-1], weight.shape[0]), x)
    macs = x.numel() * weight.shape[0]
    bit = counter.count(macs=macs, flops=macs, activations=result.numel())
    joined = counter.joined(sources, (*seen.axes[:-1], ""))
    counter.remember(result, joined._replace(counted=joined.counted | bit))
    return result


def matmul(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Multiply-accumulates of matrix products. Where the batch axes broadcast, the counters disagree."""
    name = name_of(func)
    if len(args) < 2 or kwargs:
        counter.unsure(name)
    a, b = args[0], args[1]
    if a.dim() < 2 or b.dim() < 2 or a.shape[-1] != b.shape[-2]:
        counter.unsure(name)
    if counter.exact and not (b.dim() == 2 or a.shape[:-2] == b.shape[:-2]):
        counter.unsure(f"{name} with batch axes that broadcast")
    left, right = counter.seen(a), counter.seen(b)
    result = func(*args)
    if left.field is not None and right.field is not None and (
        left.axes[-1] or right.axes[-2] or (left.axes[-2] and right.axes[-1])
    ):
        counter.saw_everything(name)
    macs = a.numel() * b.shape[-1]
    bit = counter.count(macs=macs, flops=macs, activations=0 if name == "mm" else result.numel())
    ahead = left.axes[:-2] if a.dim() >= b.dim() else right.axes[:-2]
    joined = counter.joined((left, right), (*ahead, left.axes[-2], right.axes[-1]))
    counter.remember(result, joined._replace(counted=joined.counted | bit))
    return result


def batch_norm(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """2 an element with weights, 1 without; without running statistics the count of training mode, 5 and 4."""
    x, weight = pick(args, kwargs, 0, "input"), pick(args, kwargs, 3, "weight", None)
    training = pick(args, kwargs, 5, "training", False)
    if training and not 2 <= x.dim() <= 5:
        counter.unsure("batch_norm of more than 5 axes")
    if training:
        counter.saw_everything("batch_norm")
    return _normalised(counter, func, args, kwargs, x.numel() * ((4 if training else 1) + (weight is not None)))


def norm(weight_place: int) -> Rule:
    """Norms that take their statistics from the input: 5 an element with weights, 4 without."""

    def rule(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
        x, weight = pick(args, kwargs, 0, "input"), pick(args, kwargs, weight_place, "weight", None)
        if not 2 <= x.dim() <= 5:
            counter.unsure(f"{name_of(func)} of {x.dim()} axes")
        if func is F.layer_norm:
            wide = any(counter.seen(x).axes[x.dim() - len(tuple(pick(args, kwargs, 1, "normalized_shape"))) :])
        else:
            wide = bool(pick(args, kwargs, 5, "use_input_stats", True)) if func is F.instance_norm else True
        if wide:
            counter.saw_everything(name_of(func))
        return _normalised(counter, func, args, kwargs, x.numel() * (5 if weight is not None else 4))

    return rule


def _normalised(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs, flops: int) -> Any:
    x = pick(args, kwargs, 0, "input")
    sources = counter.sources(args, kwargs)
    result = made(counter, func, args, kwargs, x.shape, x)
    joined = counter.joined(sources, counter.seen(x).axes)
    counter.remember(result, joined._replace(counted=joined.counted | counter.count(flops=flops)))
    return result


def pool(dims: int) -> Rule:
    """A window that no counter counts."""

    def rule(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
        name = name_of(func)
        x, kernel = pick(args, kwargs, 0, "input"), pick(args, kwargs, 1, "kernel_size")
        power = name.startswith("lp_")
        if power:
            kernel, stride, padding = pick(args, kwargs, 2, "kernel_size"), pick(args, kwargs, 3, "stride", None), 0
        else:
            stride, padding = pick(args, kwargs, 2, "stride", None), pick(args, kwargs, 3, "padding", 0)
        dilation = pick(args, kwargs, 4, "dilation", 1) if "max" in name else 1
        if x.dim() != dims + 2 or (power and counter.exact):
            counter.unsure(name)
        sizes = several(kernel, dims)
        steps = several(stride, dims) if stride not in (None, (), []) else sizes
        windows = zip(sizes, steps, several(padding, dims), several(dilation, dims), strict=True)
        change = {place: _window(*window) for place, window in enumerate(windows, start=2)}
        return _reported(counter, func, args, kwargs, lambda seen: along(seen, change))

    return rule


def adaptive_pool(dims: int, average: bool) -> Rule:
    """Average: fvcore counts the elements of a two-dimensional input. To one place: an operation on the whole map."""

    def rule(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
        x, size = pick(args, kwargs, 0, "input"), pick(args, kwargs, 1, "output_size")
        if x.dim() != dims + 2:
            counter.unsure(name_of(func))
        before = x.shape[2:]
        wanted = several(size, dims) if isinstance(size, int) else tuple(size) * (dims if len(size) == 1 else 1)
        after = tuple(n if want is None else want for n, want in zip(before, wanted, strict=True))
        seen = counter.seen(x)
        if seen.field is not None and any(seen.axes[2 + i] and size == 1 for i, size in enumerate(after)):
            counter.saw_everything(f"adaptive_{'avg' if average else 'max'}_pool{dims}d")
        change = {place: _bins(n, m) for place, (n, m) in enumerate(zip(before, after, strict=True), start=2)}
        if not average or dims != 2:
            return _reported(counter, func, args, kwargs, lambda seen: along(seen, change))
        result = made(counter, func, args, kwargs, (*x.shape[:2], *after), x)
        bit = counter.count(flops=x.numel())
        counter.remember(result, Seen(seen.axes, along(seen, change), seen.counted | bit))
        return result

    return rule


def _bins(before: int, after: int) -> Any:
    def change(axis: Axis) -> Axis:
        if after == 1:
            return axis.pooled()
        if before % after == 0:
            return axis.window(before // after, before // after)
        wide = axis.window(ceil(before / after) + 1)
        return wide if wide.whole else wide._replace(jump=axis.jump * Fraction(before, after))

    return change


def reduction(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """mean, sum, amax, var, ...: computes, and fvcore counts none of it."""
    x = pick(args, kwargs, 0, "input")
    dims = pick(args, kwargs, 1, "dim", None)
    if dims is not None and not isinstance(dims, int | tuple | list):
        counter.unsure(name_of(func))
    seen = counter.seen(x)
    reduced = normal_dims(dims, x.dim())
    gone = {place for place in reduced if seen.axes[place]}
    if gone and seen.field is not None:
        counter.saw_everything(name_of(func))
    change = {place: Axis.pooled for place in gone}
    field = along(seen, change)
    if field is not None and any(seen.axes[place] == "p" for place in gone):
        field = field[0].pooled(), field[1].pooled()

    def axes(result: Tensor) -> Axes:
        if result.dim() == x.dim():
            return seen.axes
        return tuple(label for place, label in enumerate(seen.axes) if place not in reduced)

    return _reported(counter, func, args, kwargs, lambda _: field, axes)


def along_axis(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """softmax, cumsum, sort, ...: keeps the shape and sees all of one axis."""
    x, dim = pick(args, kwargs, 0, "input"), pick(args, kwargs, 1, "dim", None)
    seen = counter.seen(x)
    if not isinstance(dim, int):
        if counter.exact:
            counter.unsure(f"{name_of(func)} without an axis")
        dim = -1
    if seen.field is not None and seen.axes[dim]:
        counter.saw_everything(name_of(func))
    return _reported(counter, func, args, kwargs, lambda seen: seen.field)


def _reported(
    counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs, field: Any, axes: Any = None
) -> Any:
    """Calls a function that costs nothing by fvcore's rules; named where it computes and fvcore does not know it."""
    sources = counter.sources(args, kwargs)
    result = func(*args, **kwargs)
    kind = f"aten::{name_of(func)}"
    bit = counter.count(unsupported=kind) if computes(kind) else 0
    joined = counter.joined(sources, ())
    for tensor in tensors_in(result):
        labels = axes(tensor) if axes else guess(tensor.dim(), [seen.axes for seen in sources])
        counter.remember(tensor, Seen(labels, field(sources[0]), joined.counted | bit))
    return result


def interpolate(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """nearest: 1 an element of the output; bilinear: 4."""
    x, mode = pick(args, kwargs, 0, "input"), pick(args, kwargs, 3, "mode", "nearest")
    antialias = pick(args, kwargs, 6, "antialias", False)
    per_element = {"nearest": 1, "bilinear": 4}.get(mode)
    if x.dim() != 4 or (counter.exact and (per_element is None or antialias)):
        counter.unsure(f"interpolate with mode '{mode}'")
    seen = counter.seen(x)
    result = func(*args, **kwargs)
    taps = {"bilinear": 2, "bicubic": 4}.get(mode, 1)
    sizes = zip(x.shape[2:], result.shape[2:], strict=True)
    change = {place: _resized(n, m, taps) for place, (n, m) in enumerate(sizes, start=2)}
    bit = counter.count(flops=(per_element or 0) * result.numel())
    counter.remember(result, Seen(seen.axes, along(seen, change), seen.counted | bit))
    return result


def _resized(before: int, after: int, taps: int) -> Any:
    return lambda axis: axis.resized(before, after, taps)


def shuffle(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """pixel_shuffle and pixel_unshuffle: places become channels, or the other way round."""
    x = pick(args, kwargs, 0, "input")
    if x.dim() != 4:
        counter.unsure(name_of(func))
    seen = counter.seen(x)
    result = func(*args, **kwargs)
    counter.remember(result, seen._replace(field=_rescaled(seen, seen.axes, x.shape, result.shape)))
    return result


def _rescaled(seen: Seen, axes: Axes, before: Sequence[int], after: Sequence[int]) -> Field | None:
    """The field where a reshape cuts an axis of the image into windows, or puts them together again."""
    change = {}
    for label in "hw":
        if label in seen.axes and label in axes:
            place = seen.axes.index(label)
            ratio = Fraction(before[place], after[axes.index(label)] or 1)
            if ratio > 1 and ratio.denominator == 1:
                change[place] = _window(int(ratio), int(ratio), 0, 1)
            elif ratio < 1:
                change[place] = _resized(before[place], after[axes.index(label)], 1)
    return along(seen, change)


def reshape(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """view, reshape, flatten, squeeze, ...: the same elements in the same order."""
    x = args[0] if args else kwargs["input"]
    if len(counter.sources(args, kwargs)) != 1:
        counter.unsure(name_of(func))
    seen = counter.seen(x)
    result = func(*args, **kwargs)
    if not isinstance(result, Tensor):
        return result
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


def permutation(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """permute, transpose, movedim, ...: the same axes in another order."""
    x = args[0] if args else kwargs["input"]
    seen = counter.seen(x)
    result = func(*args, **kwargs)
    rest = dict(kwargs) if args else {key: value for key, value in kwargs.items() if key != "input"}
    axes = permuted(seen.axes, func, *args[1:], **rest) if any(seen.axes) else seen.axes
    counter.remember(result, seen._replace(axes=axes))
    return result


def getitem(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Slices: every second row halves the map, and a later start shifts what is seen."""
    x, index = args
    seen = counter.seen(x)
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts):
        if counter.exact:
            counter.unsure("indexing by tensors or lists")
        return counter.follow(func, args, kwargs)
    result = func(*args, **kwargs)
    given = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    axes, change, place = [], {}, 0
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
                change[place] = _shifted(start, step)
            place += 1
    counter.remember(result, Seen(tuple(axes), along(seen, change), seen.counted))
    return result


def _shifted(start: int, step: int) -> Any:
    return lambda axis: axis.shifted(start, step)


def pad(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Shifts what is seen by what is put in front."""
    x, widths = pick(args, kwargs, 0, "input"), tuple(pick(args, kwargs, 1, "pad"))
    seen = counter.seen(x)
    result = func(*args, **kwargs)
    change = {x.dim() - 1 - i: _shifted(-front, 1) for i, front in enumerate(widths[::2])}
    counter.remember(result, seen._replace(field=along(seen, change)))
    return result


def unfold(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """im2col: the places of a window become channels; the windows are flattened."""
    names = (("kernel_size", None), ("dilation", 1), ("padding", 0), ("stride", 1))
    kernel, dilation, padding, stride = (
        several(pick(args, kwargs, place, name, default), 2) for place, (name, default) in enumerate(names, start=1)
    )
    seen = counter.seen(pick(args, kwargs, 0, "input"))
    windows = zip(kernel, stride, padding, dilation, strict=True)
    change = {place: _window(*window) for place, window in enumerate(windows, start=2)}
    result = func(*args, **kwargs)
    counter.remember(result, Seen(("", "", "p"), along(seen, change), seen.counted))
    return result


def whole_map(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Attention, Fourier transforms and recurrent layers over the places: known to see the whole map, not counted."""
    if counter.exact:
        counter.unsure(name_of(func))
    if any(seen.field is not None for seen in counter.sources(args, kwargs)):
        counter.saw_everything(name_of(func))
    return counter.follow(func, args, kwargs)


def followed(counter: FunctionCounter, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """chunk, cat, ...: moves data and costs nothing."""
    return counter.follow(func, args, kwargs)


def _table(entries: Iterable[tuple[Rule, str]]) -> dict[Any, Rule]:
    """Every function of these names in torch, torch.nn.functional and torch.Tensor."""
    found: dict[Any, Rule] = {}
    for rule, names in entries:
        for name in names.split():
            for owner in (torch, F, torch.Tensor, torch._C._nn, torch._VF):
                function = getattr(owner, name, None)
                if function is not None:
                    found[function] = rule
    return found


_ELEMENTWISE = """
    add sub subtract mul multiply div divide true_divide neg negative abs exp log sqrt rsqrt square reciprocal pow
    sigmoid tanh relu relu6 silu hardswish hardsigmoid hardtanh gelu mish elu selu celu leaky_relu softplus softsign
    logsigmoid clamp maximum minimum prelu erf sin cos dropout dropout1d dropout2d dropout3d alpha_dropout
    feature_alpha_dropout
    add_ sub_ mul_ div_ neg_ abs_ exp_ sqrt_ rsqrt_ sigmoid_ tanh_ relu_ clamp_ hardtanh_ elu_ leaky_relu_
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__ __itruediv__
    __neg__ __pow__ __rpow__
    """

RULES: Mapping[Any, Rule] = {
    **_table(
        [
            (elementwise, _ELEMENTWISE),
            (information, "size dim numel is_floating_point __len__"),
            (values, "__bool__ __float__ __int__ __index__ __array__ item tolist numpy is_nonzero"),
            *((convolution(dims), f"conv{dims}d") for dims in (1, 2, 3)),
            *((convolution(dims, transposed=True), f"conv_transpose{dims}d") for dims in (1, 2, 3)),
            (linear, "linear"),
            (matmul, "matmul __matmul__ bmm mm"),
            (batch_norm, "batch_norm"),
            (norm(2), "group_norm layer_norm"),
            (norm(3), "instance_norm"),
            *((pool(dims), f"max_pool{dims}d avg_pool{dims}d lp_pool{dims}d") for dims in (1, 2, 3)),
            *((adaptive_pool(dims, average=True), f"adaptive_avg_pool{dims}d") for dims in (1, 2, 3)),
            *((adaptive_pool(dims, average=False), f"adaptive_max_pool{dims}d") for dims in (1, 2, 3)),
            (reduction, "mean sum amax amin var std logsumexp median nanmean prod norm count_nonzero"),
            (along_axis, "softmax log_softmax softmin cumsum cumprod sort argsort topk"),
            (interpolate, "interpolate upsample"),
            (shuffle, "pixel_shuffle pixel_unshuffle"),
            (reshape, "view reshape flatten unflatten squeeze unsqueeze contiguous clone expand ravel view_as reshape_as"),
            (permutation, "permute transpose t movedim moveaxis swapaxes swapdims"),
            (getitem, "__getitem__"),
            (pad, "pad"),
            (unfold, "unfold"),
            (followed, "cat concat concatenate chunk split unbind channel_shuffle native_channel_shuffle"),
            (whole_map, "scaled_dot_product_attention multi_head_attention_forward lstm gru rnn_tanh rnn_relu"),
        ]
    ),
    **{getattr(torch.fft, name): whole_map for name in torch.fft.__all__ if callable(getattr(torch.fft, name))},
    **{getattr(torch.Tensor, name).__get__: information for name in ("shape", "dtype", "ndim")},
    **{getattr(torch.Tensor, name).__get__: permutation for name in ("T", "mT")},
}
"""Function, as torch hands it to a TorchFunctionMode -> rule."""
