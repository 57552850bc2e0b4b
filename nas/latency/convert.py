"""A network and its input in the dtype, in the memory format and on the device asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def converted(network: nn.Module, x: Tensor, device: str, dtype: str, memory_format: str) -> tuple[nn.Module, Tensor]:
    """Both, the network in place; `x` is (batch, channels, height, width)."""
    kind = getattr(torch, dtype)
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    network = network.to(device, kind)
    if layout == torch.channels_last:
        network = network.to(memory_format=layout)
    return network, x.to(device, kind).to(memory_format=layout)
