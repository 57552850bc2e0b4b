"""Residual blocks of regular convolutions: `basic` and `bottleneck` (He et al. 2016, arXiv:1512.03385, figure 5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor, nn

import nas
from nas.choices import Choice
from nas_blocks import checks
from nas_blocks.layers import act_of, conv_norm_act, drop_path, without_idle_act, without_idle_dilation


class Residual(nn.Module):
    """Layers in a row, what drop path leaves of them, plus the shortcut, then the activation.

    The shortcut is the input, or its projection where stride or channels change.
    """

    def __init__(
        self,
        layers: OrderedDict[str, nn.Module],
        shortcut: nn.Module | None,
        act: Callable[[], nn.Module],
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(layers)
        self.act = act()
        self.drop_path_rate = drop_path_rate
        self.shortcut = shortcut  # registered last, as published weights have it

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) becomes (batch, out_channels, H / stride, W / stride), rounded up."""
        y = drop_path(self.layers(x), self.drop_path_rate, self.training)
        sum_: Tensor = self.act(y + (x if self.shortcut is None else self.shortcut(x)))
        return sum_

    def extra_repr(self) -> str:
        """What the list of layers does not say."""
        return f"drop_path_rate={self.drop_path_rate:g}"


def basic(
    io: nas.BlockIO, *, kernel: int | str = 3, act: str | None = None, dilation: int = 1, groups: int = 1
) -> nn.Module:
    """Two k x k convolutions, the first with the stride. The second one has no activation before the sum."""
    activation = act_of(io, act)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["first"] = conv_norm_act(
        io.in_channels, io.out_channels, kernel, io.norm, activation, stride=io.stride, groups=groups, dilation=dilation
    )
    layers["second"] = conv_norm_act(
        io.out_channels, io.out_channels, kernel, io.norm, None, groups=groups, dilation=dilation
    )
    return Residual(layers, _shortcut(io), activation, io.drop_path)


def bottleneck(
    io: nas.BlockIO,
    *,
    kernel: int | str = 3,
    expand: float = 0.25,
    act: str | None = None,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Module:
    """1x1 to round(in_channels x expand) channels, k x k with the stride, 1x1 out without activation before the sum.

    The stride lies in the k x k convolution, as in torchvision ("ResNet v1.5"); with groups it is a ResNeXt block (Xie
    et al. 2017, arXiv:1611.05431).
    """
    hidden, activation = checks.hidden_width(io.in_channels, expand), act_of(io, act)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["reduce"] = conv_norm_act(io.in_channels, hidden, 1, io.norm, activation)
    layers["spatial"] = conv_norm_act(
        hidden, hidden, kernel, io.norm, activation, stride=io.stride, groups=groups, dilation=dilation
    )
    layers["project"] = conv_norm_act(hidden, io.out_channels, 1, io.norm, None)
    return Residual(layers, _shortcut(io), activation, io.drop_path)


def _shortcut(io: nas.BlockIO) -> nn.Module | None:
    """None where the input can be added as it is, else a strided 1x1 convolution and norm."""
    if io.stride == 1 and io.in_channels == io.out_channels:
        return None
    return conv_norm_act(io.in_channels, io.out_channels, 1, io.norm, None, stride=io.stride)


def _shared_problems(params: Mapping[str, Choice]) -> Iterator[str | None]:
    yield checks.kernel(params["kernel"])
    yield checks.act(params["act"])
    yield checks.whole("dilation", params["dilation"], 1, checks.MAX_KERNEL)


def check_basic(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this block cannot be."""

    def problems() -> Iterator[str | None]:
        yield from _shared_problems(params)
        yield checks.groups(params["groups"], io.in_channels, io.out_channels)

    return checks.first(problems())


def check_bottleneck(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this bottleneck cannot be."""

    def problems() -> Iterator[str | None]:
        yield from _shared_problems(params)
        yield checks.expand(params["expand"], io.in_channels)
        hidden = checks.hidden_width(io.in_channels, params["expand"])  # type: ignore[arg-type]  # a number
        if (problem := checks.groups(params["groups"], hidden, hidden)) is not None:
            yield f"{problem} (the {hidden} channels inside)"

    return checks.first(problems())


def canonical(io: nas.BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """Drops a known activation, and the dilation of a single tap."""
    return without_idle_dilation(without_idle_act(io, params))


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The residual blocks."""
    shared: Mapping[str, Sequence[Choice]] = {"kernel": (3, 5), "act": (None,), "dilation": (1,), "groups": (1,)}
    return [
        nas.BlockSpec("basic", version=1, build=basic, params=shared, check=check_basic, canonical=canonical),
        nas.BlockSpec(
            "bottleneck",
            version=1,
            build=bottleneck,
            params={"expand": (0.25, 0.5, 1), **shared},
            check=check_bottleneck,
            canonical=canonical,
        ),
    ]
