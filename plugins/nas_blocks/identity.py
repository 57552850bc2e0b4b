"""`identity`: nothing, where shapes allow it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

import nas
from nas.choices import Choice


def does_nothing(io: nas.BlockIO, params: Mapping[str, Choice] | None = None) -> bool:  # noqa: ARG001  # the contract
    """Whether the output is the input, so that the block can be left out."""
    return io.stride == 1 and io.in_channels == io.out_channels


def identity(io: nas.BlockIO) -> nn.Module:
    """Nothing at stride 1 and equal channels; otherwise the least that changes them: a strided 1x1 and norm."""
    if does_nothing(io):
        return nn.Identity()
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(io.in_channels, io.out_channels, 1, io.stride, bias=False)
    layers["norm"] = io.norm(io.out_channels)
    return nn.Sequential(layers)


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The identity."""
    return [nas.BlockSpec(name="identity", version=1, build=identity, noop=does_nothing)]
