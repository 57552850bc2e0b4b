"""Inverted residuals: `mbconv` and `fused_mbconv`.

Their default choices are the search space of EfficientNetV2 (Tan and Le 2021, arXiv:2104.00298, section 3.3).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

import nas
from nas.choices import Choice
from nas_blocks import attention as channel_attention
from nas_blocks import checks
from nas_blocks.layers import act_of, conv_norm_act, drop_path, without_idle_act


class InvertedResidual(nn.Sequential):
    """Layers in a row; where `residual`, their input is added to what drop path leaves of their output."""

    def __init__(self, layers: OrderedDict[str, nn.Module], residual: bool, drop_path_rate: float) -> None:
        super().__init__(layers)
        self.residual = residual
        self.drop_path_rate = drop_path_rate if residual else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) becomes (batch, out_channels, H / stride, W / stride), rounded up."""
        y = x
        for layer in self:
            y = layer(y)
        return x + drop_path(y, self.drop_path_rate, self.training) if self.residual else y

    def extra_repr(self) -> str:
        """What the list of layers does not say."""
        return f"residual={self.residual}, drop_path_rate={self.drop_path_rate:g}"


def _is_residual(io: nas.BlockIO) -> bool:
    return io.stride == 1 and io.in_channels == io.out_channels


def mbconv(
    io: nas.BlockIO,
    *,
    kernel: int | str = 3,
    expand: float = 4,
    se: float = 0,
    attention: str = "se",
    act: str | None = None,
) -> nn.Module:
    """1x1 expand (none at 1), depthwise k x k, attention, 1x1 project without activation; a residual at stride 1 and
    equal channels (MobileNetV2, Sandler et al. 2018, arXiv:1801.04381; MnasNet, Tan et al. 2019, arXiv:1807.11626).
    """
    hidden, activation = checks.hidden_width(io.in_channels, expand), act_of(io, act)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if expand != 1:
        layers["expand"] = conv_norm_act(io.in_channels, hidden, 1, io.norm, activation)
    layers["depthwise"] = conv_norm_act(hidden, hidden, kernel, io.norm, activation, stride=io.stride, groups=hidden)
    if se:
        layers[attention] = _attention(io, attention, hidden, se)
    layers["project"] = conv_norm_act(hidden, io.out_channels, 1, io.norm, None)
    return InvertedResidual(layers, _is_residual(io), io.drop_path)


def fused_mbconv(
    io: nas.BlockIO,
    *,
    kernel: int | str = 3,
    expand: float = 4,
    se: float = 0,
    attention: str = "se",
    act: str | None = None,
) -> nn.Module:
    """k x k expand, attention, 1x1 project without activation; at expand 1 the k x k, which keeps its activation, and
    attention alone. The residual is that of `mbconv` (Gupta and Tan 2020, EfficientNet-EdgeTPU; EfficientNetV2).
    """
    width = io.out_channels if expand == 1 else checks.hidden_width(io.in_channels, expand)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["fused"] = conv_norm_act(io.in_channels, width, kernel, io.norm, act_of(io, act), stride=io.stride)
    if se:
        layers[attention] = _attention(io, attention, width, se)
    if expand != 1:
        layers["project"] = conv_norm_act(width, io.out_channels, 1, io.norm, None)
    return InvertedResidual(layers, _is_residual(io), io.drop_path)


def _attention(io: nas.BlockIO, kind: str, channels: int, se: float) -> nn.Module:
    return channel_attention.attention(kind, channels, channel_attention.squeeze_width(io.in_channels, se))


def check(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this inverted residual cannot be."""

    def problems() -> Iterator[str | None]:
        yield checks.kernel(params["kernel"])
        yield checks.expand(params["expand"], io.in_channels)
        yield from channel_attention.problems(io, params["se"], params["attention"])
        yield checks.act(params["act"])

    return checks.first(problems())


def canonical(io: nas.BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """Drops the kind of attention where there is none, and an activation that is the network's."""
    return channel_attention.effective(without_idle_act(io, params))


CHOICES: Mapping[str, Sequence[Choice]] = {
    "kernel": (3, 5),
    "expand": (4, 1, 6),
    "se": (0,),
    "attention": ("se",),
    "act": (None,),
}
"""The first choice is the default, several are searched."""


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The inverted residuals."""
    return [
        nas.BlockSpec(name, version=1, build=build, params=CHOICES, check=check, canonical=canonical)
        for name, build in (("mbconv", mbconv), ("fused_mbconv", fused_mbconv))
    ]
