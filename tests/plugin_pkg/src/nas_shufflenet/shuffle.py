"""The unit of ShuffleNetV2 (Ma et al. 2018, arXiv:1807.11164, figure 3 c and d)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

import nas


def pointwise(io: nas.BlockIO, in_channels: int, out_channels: int) -> list[nn.Module]:
    """1x1 convolution, norm, activation."""
    return [nn.Conv2d(in_channels, out_channels, 1, bias=False), io.norm(out_channels), io.act()]


def depthwise(io: nas.BlockIO, channels: int, kernel: int) -> list[nn.Module]:
    """Depthwise convolution with the block's stride, and norm; no activation."""
    conv = nn.Conv2d(channels, channels, kernel, io.stride, kernel // 2, groups=channels, bias=False)
    return [conv, io.norm(channels)]


class Shuffle(nn.Module):
    """Two branches of half the output's channels, concatenated and shuffled.

    Where the map keeps its shape, the first branch is half of the input, untouched (figure 3 c); otherwise both
    branches see all of it (figure 3 d).
    """

    def __init__(self, io: nas.BlockIO, kernel: int) -> None:
        super().__init__()
        half = io.out_channels // 2
        self.split = io.stride == 1 and io.in_channels == io.out_channels
        seen = half if self.split else io.in_channels
        first = [] if self.split else [*depthwise(io, seen, kernel), *pointwise(io, seen, half)]
        self.branch1 = nn.Sequential(*first)
        self.branch2 = nn.Sequential(*pointwise(io, seen, half), *depthwise(io, half, kernel), *pointwise(io, half, half))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        left, right = x.chunk(2, dim=1) if self.split else (x, x)
        both = torch.cat((self.branch1(left), self.branch2(right)), dim=1)
        batch, channels, height, width = both.shape
        halves = both.view(batch, 2, channels // 2, height, width)
        return halves.transpose(1, 2).reshape(batch, channels, height, width)


def check(io: nas.BlockIO, params: Mapping[str, object]) -> str | None:
    """Why this unit cannot be, or None."""
    kernel = params["kernel"]
    if not isinstance(kernel, int) or kernel % 2 == 0 or kernel < 1:
        return f"kernel {kernel!r} is no odd number"
    if io.out_channels % 2:
        return f"out channels {io.out_channels} do not make two halves; take an even number"
    return None


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The block of this module."""
    return [nas.BlockSpec(name="shuffle", version=1, build=Shuffle, params={"kernel": (3, 5)}, check=check)]
