"""A local plugin file: the block of RegNetY (Radosavovic et al. 2020, arXiv:2003.13678, figure 4 and section 5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

import nas


class SqueezeExcite(nn.Module):
    """Scales each channel by what the means of all channels say."""

    def __init__(self, io: nas.BlockIO, channels: int, squeeze: int) -> None:
        super().__init__()
        self.means = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.act = io.act()
        self.expand = nn.Conv2d(squeeze, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, H, W) to the same shape."""
        return x * self.gate(self.expand(self.act(self.reduce(self.means(x)))))


class RegNetY(nn.Module):
    """1x1, grouped 3x3, squeeze-excite, 1x1; added to the input, or to its strided 1x1; activation behind the sum."""

    def __init__(self, io: nas.BlockIO, group_width: int, se: float) -> None:
        super().__init__()
        width = io.out_channels
        self.project: nn.Module | None = None
        if io.stride != 1 or io.in_channels != width:
            self.project = nn.Sequential(nn.Conv2d(io.in_channels, width, 1, io.stride, bias=False), io.norm(width))
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["reduce"] = nn.Conv2d(io.in_channels, width, 1, bias=False)
        layers["reduce_norm"], layers["reduce_act"] = io.norm(width), io.act()
        layers["grouped"] = nn.Conv2d(width, width, 3, io.stride, 1, groups=width // group_width, bias=False)
        layers["grouped_norm"], layers["grouped_act"] = io.norm(width), io.act()
        if se:
            layers["attention"] = SqueezeExcite(io, width, round(io.in_channels * se))
        layers["expand"], layers["expand_norm"] = nn.Conv2d(width, width, 1, bias=False), io.norm(width)
        self.residual = nn.Sequential(layers)
        self.act = io.act()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        kept = x if self.project is None else self.project(x)
        return self.act(kept + self.residual(x))


def check(io: nas.BlockIO, params: Mapping[str, object]) -> str | None:
    """Why this block cannot be, or None."""
    group_width, se = params["group_width"], params["se"]
    if not isinstance(group_width, int) or group_width < 1 or io.out_channels % group_width:
        return f"group_width {group_width!r} does not divide the {io.out_channels} channels"
    if not isinstance(se, int | float) or not 0 <= se <= 1:
        return f"se {se!r} is no ratio from 0 to 1"
    if se and round(io.in_channels * se) < 1:
        return f"se {se} of {io.in_channels} input channels leaves none; take a larger ratio, or 0 for no attention"
    return None


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The block of this file."""
    return [nas.BlockSpec("regnet_y", 1, RegNetY, {"group_width": (8, 16, 24), "se": (0.25, 0)}, check=check)]
