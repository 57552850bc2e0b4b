"""Normalisations. fvcore counts 5 an element (4 without weights), in batch norm's eval mode 2 (1)."""

from __future__ import annotations

from typing import Any

from nas.cost.counter import Call, FunctionCounter, Seen
from nas.cost.field import union


def batch_norm(counter: FunctionCounter, call: Call) -> Any:
    """Without running statistics it works, and counts, as in training mode, and sees the whole map."""
    training = bool(call.arg(5, "training", False))
    if training:
        _several_axes(counter, call)
    return _normalised(counter, call, weight=call.arg(3, "weight", None), base=4 if training else 1, wide=training)


def group_norm(counter: FunctionCounter, call: Call) -> Any:
    """Takes its statistics over the whole map."""
    _several_axes(counter, call)
    return _normalised(counter, call, weight=call.arg(2, "weight", None), base=4, wide=True)


def layer_norm(counter: FunctionCounter, call: Call) -> Any:
    """Sees the whole map where it normalises over places."""
    _several_axes(counter, call)
    x, shape = call.arg(0, "input"), call.arg(1, "normalized_shape")
    wide = any(counter.seen(x).axes[x.dim() - len(shape) :])
    return _normalised(counter, call, weight=call.arg(2, "weight", None), base=4, wide=wide)


def instance_norm(counter: FunctionCounter, call: Call) -> Any:
    """Sees the whole map, but for one that kept running statistics."""
    _several_axes(counter, call)
    wide = bool(call.arg(5, "use_input_stats", True))
    return _normalised(counter, call, weight=call.arg(3, "weight", None), base=4, wide=wide)


def _several_axes(counter: FunctionCounter, call: Call) -> None:
    dims = call.arg(0, "input").dim()
    if not 2 <= dims <= 5:  # fvcore raises
        counter.unsure(f"{call.name} of {dims} axes")


def _normalised(counter: FunctionCounter, call: Call, weight: object, base: int, wide: bool) -> Any:
    x, sources = call.arg(0, "input"), counter.sources(call)
    seen = counter.seen(x)
    result = counter.answer(call, x.shape, x)
    if wide and seen.field is not None:
        counter.saw_everything(call.name)
    bit = counter.count(flops=x.numel() * (base + (weight is not None)))
    field = union(source.field for source in sources if source.field is not None)
    counter.remember(result, Seen(seen.axes, field, counter.counted(sources) | bit))
    return result
