"""The functions that are known, each with its rule.

The formulas are those of fvcore 0.1.5 in eval mode, and are held to it, function by function, by tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # its name everywhere

from nas.cost.counter import Call, FunctionCounter, Rule
from nas.cost.rules.elements import element_by_element
from nas.cost.rules.layout import (
    getitem,
    interpolate,
    joined,
    pad,
    permutation,
    pixel_shuffle,
    reshape,
    roll,
    setitem,
    taken,
    unfold,
)
from nas.cost.rules.norms import batch_norm, group_norm, instance_norm, layer_norm
from nas.cost.rules.pools import adaptive_pool, along_axis, pool, power_pool, reduction
from nas.cost.rules.products import added_product, convolution, einsum, linear, matmul, operator_convolution


def information(_: FunctionCounter, call: Call) -> Any:
    """Shapes and types, and what is asserted of them: no tensor comes out."""
    return call()


def values(counter: FunctionCounter, call: Call) -> Any:
    """Gives a tensor's values to Python, where no counter sees what is computed or decided with them."""
    if any(seen.field is not None for seen in counter.sources(call)):
        counter.values_used.append(call.name)
    if counter.exact:
        counter.unsure(call.name)
    return call()


def whole_map(counter: FunctionCounter, call: Call) -> Any:
    """Fused attention, Fourier transforms and recurrent layers see all places."""
    if counter.exact:
        counter.unsure(call.name)
    if any(seen.field is not None for seen in counter.sources(call)):
        counter.saw_everything(call.name)
    return counter.follow(call)


def below(rule: Rule) -> Rule:
    """For the operators that scripted and compiled code runs, which are seen while FlopCounterMode counts them."""

    def only_followed(counter: FunctionCounter, call: Call) -> Any:
        if counter.exact:
            counter.unsure(str(call.function))
        return rule(counter, call)

    return only_followed


def _functions(names: str, *owners: object) -> Iterable[Any]:
    """Every function of these names in torch, torch.Tensor and torch.nn.functional, or in `owners`."""
    for name in names.split():
        for owner in owners or (torch, torch.Tensor, F):
            function = getattr(owner, name, None)
            if callable(function) and not isinstance(function, ModuleType):
                yield function


def _table(entries: Iterable[tuple[Rule, Iterable[Any]]]) -> dict[Any, Rule]:
    return {function: rule for rule, functions in entries for function in functions}


_ELEMENT_BY_ELEMENT = """
    add sub subtract mul multiply div divide true_divide neg negative abs exp log sqrt rsqrt square reciprocal pow
    sigmoid tanh relu relu6 silu hardswish hardsigmoid hardtanh gelu mish elu selu celu leaky_relu softplus logsigmoid
    clamp maximum minimum prelu erf sin cos dropout dropout2d alpha_dropout feature_alpha_dropout
    add_ sub_ mul_ div_ neg_ abs_ exp_ sqrt_ rsqrt_ sigmoid_ tanh_ relu_ clamp_ hardtanh_ elu_ leaky_relu_
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __itruediv__
    __neg__ __pow__
    """

RULES: Mapping[Any, Rule] = _table(
    [
        (element_by_element, _functions(_ELEMENT_BY_ELEMENT)),
        (information, _functions("size dim numel is_floating_point __len__")),
        (information, (getattr(torch.Tensor, name).__get__ for name in ("shape", "dtype", "ndim"))),
        (information, _functions("_assert", torch)),
        (values, _functions("__bool__ __float__ __int__ __index__ __array__ item tolist numpy is_nonzero")),
        *((convolution(dims), _functions(f"conv{dims}d")) for dims in (1, 2, 3)),
        *((convolution(dims, transpose=True), _functions(f"conv_transpose{dims}d")) for dims in (1, 2, 3)),
        (linear, _functions("linear")),
        (matmul, _functions("matmul __matmul__ bmm mm")),
        (added_product, _functions("addmm baddbmm")),
        (einsum, _functions("einsum")),
        # torch's own functions of these names take their arguments in another order.
        (batch_norm, _functions("batch_norm", F)),
        (instance_norm, _functions("instance_norm", F)),
        (unfold, _functions("unfold", F)),
        (group_norm, _functions("group_norm")),
        (layer_norm, _functions("layer_norm")),
        *((pool(dims), _functions(f"max_pool{dims}d max_pool{dims}d_with_indices avg_pool{dims}d"))
          for dims in (1, 2, 3)),
        *((power_pool(dims), _functions(f"lp_pool{dims}d")) for dims in (1, 2, 3)),
        *((adaptive_pool(dims, kind), _functions(f"adaptive_{kind}_pool{dims}d"))
          for dims in (1, 2, 3) for kind in ("avg", "max")),
        (reduction(1, sure=True), _functions("mean sum amax amin var std")),
        (reduction(1, sure=False), _functions("max min argmax argmin logsumexp median nanmean prod var_mean std_mean")),
        (reduction(2, sure=False), _functions("norm normalize")),
        (reduction(2, sure=False), _functions("norm vector_norm", torch.linalg)),
        (along_axis(1, sure=True), _functions("softmax log_softmax")),
        (along_axis(1, sure=False), _functions("softmin cumsum cumprod sort argsort")),
        (along_axis(2, sure=False), _functions("topk kthvalue")),
        (interpolate, _functions("interpolate upsample")),
        (pixel_shuffle, _functions("pixel_shuffle pixel_unshuffle")),
        (reshape, _functions("view reshape flatten unflatten squeeze unsqueeze contiguous clone expand ravel")),
        (permutation, _functions("permute transpose t movedim moveaxis swapaxes swapdims")),
        (permutation, (getattr(torch.Tensor, name).__get__ for name in ("T", "mT"))),
        (getitem, _functions("__getitem__")),
        (setitem, _functions("__setitem__")),
        (pad, _functions("pad")),
        (roll, _functions("roll")),
        (joined, _functions("cat concat concatenate chunk split channel_shuffle")),
        (taken, _functions("unbind stack")),
        (whole_map, _functions("scaled_dot_product_attention multi_head_attention_forward")),
        (whole_map, _functions("lstm gru rnn_tanh rnn_relu", torch._VF)),
        (below(operator_convolution), [torch.ops.aten.convolution.default]),
        (below(pool(2)), [torch.ops.aten.max_pool2d_with_indices.default, torch.ops.aten.avg_pool2d.default]),
        (below(adaptive_pool(2, "avg")), [torch.ops.aten._adaptive_avg_pool2d.default]),
        (below(reduction(1, sure=False)), [torch.ops.aten.mean.dim, torch.ops.aten.sum.dim_IntList]),
        (below(along_axis(1, sure=False)), [torch.ops.aten._softmax.default]),
        (below(matmul), [torch.ops.aten.bmm.default, torch.ops.aten.mm.default]),
        (whole_map, (getattr(torch.fft, name) for name in torch.fft.__all__ if name not in ("Tensor", "fftfreq"))),
    ]
)
"""Function, as torch hands it to a TorchFunctionMode -> rule."""
