"""The meta device, on which tensors have shapes and no values, without what torch does there in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WithoutInitialisation(TorchFunctionMode):
    """Leaves out the initialisation of weights, which on the meta device have no values."""

    _FILLS = frozenset({torch.Tensor.fill_, torch.Tensor.zero_, torch.Tensor.uniform_, torch.Tensor.normal_})

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls `func`, unless it only gives a tensor values."""
        kwargs = kwargs or {}
        if func in self._FILLS or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class QuickNorms(TorchFunctionMode):
    """Answers a batch norm by known statistics with a tensor of its input's shape. torch comes to the same by some
    thirty operations, in which trying a block would spend most of its time.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls `func`, unless it is such a norm; where its tensors do not fit each other, torch shall say so."""
        if func is functional.batch_norm and (quick := _normalised(*args, **(kwargs or {}))) is not None:
            return quick
        return func(*args, **(kwargs or {}))


def _normalised(
    input: Tensor,  # noqa: A002  # torch's name
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *_: object,
    **__: object,
) -> Tensor | None:
    if training or running_mean is None or running_var is None or not input.is_meta or input.dim() < 2:
        return None
    tensors = [tensor for tensor in (running_mean, running_var, weight, bias) if tensor is not None]
    fit = all(tensor.is_meta and tensor.dtype == input.dtype and tensor.shape == input.shape[1:2] for tensor in tensors)
    return torch.empty_like(input) if fit else None
