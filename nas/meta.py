"""The meta device, on which tensors have shapes and no values, without what torch does there in vain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WithoutInitialisation(TorchFunctionMode):
    """Leaves out the initialisation of weights that have no values, on the meta device, or get others at once."""

    _FILLS = frozenset({torch.Tensor.fill_, torch.Tensor.zero_, torch.Tensor.uniform_, torch.Tensor.normal_})

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls `func`, unless it only gives a tensor values."""
        kwargs = kwargs or {}
        if func in self._FILLS or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class QuickShapes(TorchFunctionMode):
    """Answers what nearly every block is made of, convolutions, batch norms by known statistics, activations, sums and
    products, with a tensor of the right shape. torch comes to the same on ways that load its compiler and a computer
    algebra system, which takes each process a second or two, and then by some thirty operations a norm.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls `func`, unless it is one of these; where its tensors do not fit each other, torch shall say so."""
        if (quick := _QUICK.get(func)) is not None:
            with suppress(TypeError):  # arguments that the shortcut does not know, or that are missing
                if (answer := quick(*args, **(kwargs or {}))) is not None:
                    return answer
        return func(*args, **(kwargs or {}))


def _normalised(
    input: Tensor,  # noqa: A002  # torch's names
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: object = 0.1,
    eps: object = 1e-5,
) -> Tensor | None:
    if not (isinstance(momentum, float) and isinstance(eps, float)):
        return None
    if training is not False or running_mean is None or running_var is None or not _plain(input) or input.dim() < 2:
        return None
    tensors = [tensor for tensor in (running_mean, running_var, weight, bias) if tensor is not None]
    fit = all(_alike(tensor, input) and tensor.shape == input.shape[1:2] for tensor in tensors)
    return _empty(input.shape, input) if fit else None


def _convolved(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    if not (_plain(input) and _alike(weight, input) and input.dim() == weight.dim() == 4):
        return None
    steps, pads, spreads = _pair(stride), _pair(padding), _pair(dilation)
    if steps is None or pads is None or spreads is None or not isinstance(groups, int) or groups < 1:
        return None  # padding = "same", for one
    batch, channels, *sides = input.shape
    made, taken, *kernel = weight.shape
    if channels != taken * groups or made % groups or min(*input.shape, *weight.shape) < 1:
        return None
    if bias is not None and not (_alike(bias, input) and tuple(bias.shape) == (made,)):
        return None
    if min(steps) < 1 or min(pads) < 0 or min(spreads) < 1:
        return None
    height, width = (
        (side + 2 * pad - spread * (size - 1) - 1) // step + 1
        for side, step, pad, spread, size in zip(sides, steps, pads, spreads, kernel, strict=True)
    )
    if min(height, width) < 1:
        return None
    return _empty((batch, made, height, width), input)


def _activated(input: Tensor, inplace: object = False) -> Tensor | None:  # noqa: A002
    if inplace is not False or not _plain(input) or not input.is_floating_point():
        return None
    return _empty(input.shape, input)


def _gelu(input: Tensor, *, approximate: object = "none") -> Tensor | None:  # noqa: A002
    return _activated(input) if approximate in ("none", "tanh") else None


def _sigmoid(input: Tensor) -> Tensor | None:  # noqa: A002
    return _activated(input)


def _pooled(input: Tensor, output_size: object) -> Tensor | None:  # noqa: A002
    sides = _pair(output_size)
    if sides is None or not _plain(input) or input.dim() != 4 or min(*input.shape, *sides) < 1:
        return None
    return _empty((*input.shape[:2], *sides), input)


def _joined(input: object, other: object) -> Tensor | None:  # noqa: A002
    if not isinstance(input, Tensor) or not _plain(input) or not _alike(other, input):
        return None
    shapes = input.shape, other.shape  # type: ignore[attr-defined]  # a tensor
    if input.dim() != len(shapes[1]) or any(a != b and 1 not in (a, b) for a, b in zip(*shapes, strict=True)):
        return None
    return _empty([b if a == 1 else a for a, b in zip(*shapes, strict=True)], input)


def _empty(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.empty(tuple(shape), dtype=like.dtype, device="meta")


def _plain(tensor: object) -> bool:
    """Of torch's own class, on the meta device, and in order: a result would keep its strides."""
    if not isinstance(tensor, Tensor) or type(tensor) not in (Tensor, torch.nn.Parameter):
        return False
    return tensor.is_meta and tensor.is_contiguous()


def _alike(tensor: object, like: Tensor) -> bool:
    return _plain(tensor) and tensor.dtype == like.dtype  # type: ignore[attr-defined]


def _pair(value: object) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(item, int) for item in value):
        return value[0], value[1]
    return None


_QUICK: Mapping[Any, Callable[..., Tensor | None]] = {
    functional.batch_norm: _normalised,
    functional.conv2d: _convolved,
    functional.adaptive_avg_pool2d: _pooled,
    **dict.fromkeys((torch.Tensor.mul, torch.Tensor.add, torch.mul, torch.add), _joined),
    **dict.fromkeys((
        functional.relu, functional.relu6, functional.silu, functional.hardswish, functional.hardsigmoid,
        functional.mish,
    ), _activated),
    functional.gelu: _gelu,
    **dict.fromkeys((torch.sigmoid, torch.tanh), _sigmoid),
}
