"""Counts a module on real tensors with fvcore and torch's FlopCounterMode, and follows its receptive field."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from nas.cost.table import BlockCost

MAC_OPERATORS = ("conv", "linear", "addmm", "matmul", "mm", "bmm", "einsum")
"""fvcore's names of what counts as multiply-accumulates."""

ELEMENT_WISE = frozenset(
    "add add_ sub mul mul_ div neg silu silu_ sigmoid sigmoid_ relu relu_ hardtanh hardtanh_ hardswish hardswish_ "
    "hardsigmoid hardsigmoid_ gelu mish leaky_relu leaky_relu_ tanh softplus clamp clamp_min clamp_max elu "
    "_prelu_kernel exp sqrt rsqrt pow abs max_pool2d softmax max maximum minimum dropout feature_dropout mean pad "
    "ones zeros rand lift_fresh detach".split()
)
"""Operations of one result an element, and those that only compare or move: not counted by any convention."""


def trace(module: nn.Module, shape: tuple[int, int, int]) -> BlockCost:
    """The cost of `module` for one image of shape (channels, height, width), in eval mode."""
    module.eval()
    image = torch.zeros(1, *shape)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", category=torch.jit._trace.TracerWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis  # its import warns of torch.jit too

        logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
        analysis = FlopCountAnalysis(module, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        flops, by_operator = int(analysis.total()), analysis.by_operator()
        unknown = sorted(name.removeprefix("aten::") for name in analysis.unsupported_ops())
        counter = ActivationCountAnalysis(module, image)
        counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        activations = int(counter.total())
        with FlopCounterMode(display=False) as torch_counter, _Fields() as fields:
            fields.start(image)
            output = module(image)
    fvcore_macs = int(sum(by_operator.get(name, 0) for name in MAC_OPERATORS))
    torch_macs = torch_counter.get_total_flops() // 2
    unsupported = [name for name in unknown if name not in ELEMENT_WISE]
    if fvcore_macs != torch_macs:
        unsupported.append(f"counters disagree: fvcore {fvcore_macs} MACs, torch {torch_macs}")
    field, jump = fields.of(output)
    return BlockCost(
        params=sum(weight.numel() for weight in module.parameters()),
        macs=max(fvcore_macs, torch_macs), fvcore_macs=fvcore_macs, torch_macs=torch_macs, flops=flops,
        activations=activations, field=field, jump=jump, unsupported=tuple(unsupported),
        global_ops=tuple(fields.global_ops),
    )


Pair = tuple[Fraction, Fraction]
_ONE: Pair = (Fraction(1), Fraction(1))
_GLOBAL = (functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d, torch.matmul, torch.bmm)


class _Fields(TorchFunctionMode):
    """Follows the receptive field and the distance of neighbours of each tensor; of several inputs, the widest."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[int, tuple[Tensor, Pair, Pair]] = {}
        self.global_ops: dict[str, None] = {}

    def start(self, image: Tensor) -> None:
        """`image` sees itself."""
        self._seen[id(image)] = (image, _ONE, _ONE)

    def of(self, tensor: Tensor) -> tuple[Pair, Pair]:
        """(field, jump) of what came out of the module, in pixels of its input."""
        entry = self._seen.get(id(tensor))
        return (entry[1], entry[2]) if entry else (_ONE, _ONE)

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        flat = [item for arg in args for item in (arg if isinstance(arg, list | tuple) else [arg])]
        known = [self._seen[id(arg)] for arg in flat if isinstance(arg, Tensor) and id(arg) in self._seen]
        if func in _GLOBAL and known:
            self.global_ops[func.__name__] = None
        elif known:
            field: Pair = (max(entry[1][0] for entry in known), max(entry[1][1] for entry in known))
            jump = known[0][2]
            field, jump = _widened(func, args, dict(kwargs or {}), field, jump)
            self._seen[id(result)] = (result, field, jump)
        return result


def _widened(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], field: Pair, jump: Pair) -> tuple[Pair, Pair]:
    name = getattr(func, "__name__", "")
    if name == "conv2d":
        kernel = (args[1].shape[2], args[1].shape[3])
        stride, dilation = _pair(args, kwargs, 3, "stride", 1), _pair(args, kwargs, 5, "dilation", 1)
    elif name in ("max_pool2d", "boolean_dispatch", "avg_pool2d"):
        kernel = _pair(args, kwargs, 1, "kernel_size", 1)
        stride, dilation = _pair(args, kwargs, 2, "stride", kernel), (1, 1)
    else:
        return field, jump
    wide = tuple(f + (k - 1) * d * j for f, k, d, j in zip(field, kernel, dilation, jump, strict=True))
    return (wide[0], wide[1]), (jump[0] * stride[0], jump[1] * stride[1])


def _pair(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str, default: Any) -> tuple[int, int]:
    value = args[place] if len(args) > place else kwargs.get(name, default)
    value = default if value is None else value
    values = (value, value) if isinstance(value, int) else tuple(value)
    return (values[0], values[-1])
