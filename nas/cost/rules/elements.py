"""Functions that compute each element of their output from the elements at its own place. fvcore counts none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nas.cost.axes import guess
from nas.cost.counter import Call, FunctionCounter, Seen
from nas.cost.field import union


def element_by_element(counter: FunctionCounter, call: Call) -> Any:
    """The result sees what the arguments see."""
    tensors = list(call.tensors)
    sources = [counter.seen(tensor) for tensor in tensors]
    shape = _shape(call, tensors) if counter.exact else None
    result = call() if shape is None else torch.empty(shape, dtype=tensors[0].dtype, device="meta")
    if len(sources) == 1 and result.dim() == len(sources[0].axes):
        counter.remember(result, sources[0])
        return result
    field = union(seen.field for seen in sources if seen.field is not None)
    axes = guess(result.dim(), [seen.axes for seen in sources])
    counter.remember(result, Seen(axes, field, counter.counted(sources)))
    return result


def _shape(call: Call, tensors: Sequence[Tensor]) -> Sequence[int] | None:
    """The shape of the result, if it is a new tensor of the arguments' type; None where the call itself must tell."""
    arguments = (*call.args, *call.kwargs.values())
    if _in_place(call) or "out" in call.kwargs or any(value is True for value in arguments):  # inplace=True
        return None
    kind = tensors[0].dtype if tensors else torch.int64
    if not kind.is_floating_point or any(tensor.dtype != kind for tensor in tensors):
        return None
    if len(tensors) == 1:
        return tensors[0].shape
    dims = max(tensor.dim() for tensor in tensors)
    padded = [(1,) * (dims - tensor.dim()) + tuple(tensor.shape) for tensor in tensors]
    shape = [next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True)]
    agree = all(size in (1, wanted) for sizes in padded for size, wanted in zip(sizes, shape, strict=True))
    return shape if agree else None


def _in_place(call: Call) -> bool:
    name = str(call.function.__name__)
    return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
