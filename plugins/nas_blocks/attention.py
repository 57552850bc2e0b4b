"""Channel attention, the parameters `se` and `attention`: what a block sees in the whole map scales its channels.

Each kind maps (batch, channels, H, W) to the same shape. `squeeze` is the width of its bottleneck,
int(block input channels x se); `ese` and `eca` have none, so for them every ratio above 0 is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

import nas
from nas.arch import MAX_SIZE
from nas.choices import Choice, shown
from nas_blocks.checks import is_number, one_of


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507), as EfficientNet has it: SiLU, then sigmoid.

    The linear layers are 1x1 convolutions.
    """

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.act: nn.Module = nn.SiLU()
        self.expand = nn.Conv2d(squeeze, channels, 1)
        self.gate: nn.Module = nn.Sigmoid()

    def scale(self, x: Tensor) -> Tensor:
        """The factor of each channel, (batch, channels, 1, 1)."""
        scale: Tensor = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return scale

    def forward(self, x: Tensor) -> Tensor:
        """Scales the channels of `x`."""
        return x * self.scale(x)


class HardSqueezeExcite(SqueezeExcite):
    """Squeeze-and-excitation of MobileNetV3 (Howard et al. 2019, arXiv:1905.02244): ReLU, then hard sigmoid."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__(channels, squeeze)
        self.act = nn.ReLU()
        self.gate = nn.Hardsigmoid()


class EffectiveSqueezeExcite(nn.Module):
    """Effective squeeze-and-excitation (Lee and Park 2020, CenterMask, arXiv:1911.06667, section 3.3): a single linear
    layer that loses no channels, then hard sigmoid.
    """

    def __init__(self, channels: int, squeeze: int) -> None:  # noqa: ARG002  # there is no bottleneck
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Scales the channels of `x`."""
        scaled: Tensor = x * self.gate(self.excite(self.pool(x)))
        return scaled


class EfficientChannelAttention(nn.Module):
    """Efficient channel attention (Wang et al. 2020, ECA-Net, arXiv:1910.03151): a convolution over neighbouring
    channels, as wide as equation 12 says, then sigmoid.
    """

    def __init__(self, channels: int, squeeze: int) -> None:  # noqa: ARG002  # there is no bottleneck
        super().__init__()
        kernel = eca_kernel(channels)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.mix = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Scales the channels of `x`."""
        pooled = self.pool(x).flatten(2).transpose(1, 2)  # (batch, 1, channels): channels are the axis to run over
        scale: Tensor = self.gate(self.mix(pooled)).transpose(1, 2).unsqueeze(3)
        return x * scale


def eca_kernel(channels: int) -> int:
    """|log2(channels) / 2 + 1 / 2|, made odd by going up: equation 12 with gamma = 2 and b = 1, as its code has it."""
    width = int((math.log2(channels) + 1) / 2)
    return width if width % 2 else width + 1


class SpatialChannelSqueezeExcite(SqueezeExcite):
    """Concurrent spatial and channel squeeze-and-excitation (Roy et al. 2018, arXiv:1803.02579): the sum of `x` scaled
    by channel (ReLU, then sigmoid) and by place (a 1x1 convolution to one channel, then sigmoid).
    """

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__(channels, squeeze)
        self.act = nn.ReLU()
        self.spatial = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scales the channels of `x`, and its places, and adds the two."""
        scaled: Tensor = x * self.scale(x) + x * self.gate(self.spatial(x))
        return scaled


KINDS: Mapping[str, type[nn.Module]] = {
    "se": SqueezeExcite,
    "hard_se": HardSqueezeExcite,
    "ese": EffectiveSqueezeExcite,
    "eca": EfficientChannelAttention,
    "scse": SpatialChannelSqueezeExcite,
}
WITHOUT_SQUEEZE = frozenset({"ese", "eca"})


def attention(kind: str, channels: int, squeeze: int) -> nn.Module:
    """The module of this kind over `channels`."""
    return KINDS[kind](channels, squeeze)


def squeeze_width(in_channels: int, se: float) -> int:
    """int(in_channels x se): of the block's *input* channels, whatever the width inside."""
    return int(in_channels * se)


def problems(io: nas.BlockIO, se: Choice, kind: Choice) -> Iterator[str | None]:
    """Why this ratio or this kind is refused."""
    if not is_number(se) or not 0 <= se <= MAX_SIZE:  # type: ignore[operator]  # a number
        yield f"se must be a ratio of the input channels, at least 0 (0: no attention), got {shown(se)}"
    yield one_of("attention", kind, KINDS)
    if se == 0 or kind in WITHOUT_SQUEEZE:
        return
    squeeze = squeeze_width(io.in_channels, se)  # type: ignore[arg-type]
    if squeeze < 1:
        enough = math.ceil(100 / io.in_channels) / 100
        yield (f"se {shown(se)} of {io.in_channels} input channels leaves a squeeze of 0 channels; "
               f"take at least {enough:g}, or 0 for no attention")
    if squeeze > MAX_SIZE:
        yield f"se {shown(se)} of {io.in_channels} input channels is a squeeze of {squeeze}; at most {MAX_SIZE}"


def effective(params: Mapping[str, Choice]) -> dict[str, Choice]:
    """`params`, less the kind where there is no attention, and with one ratio for all where the kind uses none."""
    if params["se"] == 0:
        return {name: value for name, value in params.items() if name != "attention"}
    return {**params, "se": 1} if params["attention"] in WITHOUT_SQUEEZE else dict(params)
