"""Plain convolutions, each followed by normalisation and activation: `conv`, `pointwise`, `depthwise`,
`depthwise_separable`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from torch import nn

import nas
from nas.arch import kernel_size
from nas.choices import Choice
from nas_blocks import checks
from nas_blocks.checks import MAX_KERNEL, PaddingMode, first
from nas_blocks.layers import act_of, conv_norm_act, without_idle_act


def conv(
    io: nas.BlockIO,
    *,
    kernel: int | str = 3,
    act: str | None = None,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: int | str = "same",
    padding_mode: PaddingMode = "zeros",
) -> nn.Module:
    """k x k convolution, norm, activation."""
    return conv_norm_act(
        io.in_channels,
        io.out_channels,
        kernel,
        io.norm,
        act_of(io, act),
        stride=io.stride,
        groups=groups,
        dilation=dilation,
        bias=bias,
        padding=padding,
        padding_mode=padding_mode,
    )


def pointwise(io: nas.BlockIO, *, act: str | None = None) -> nn.Module:
    """1x1 convolution, norm, activation."""
    return conv_norm_act(io.in_channels, io.out_channels, 1, io.norm, act_of(io, act), stride=io.stride)


def depthwise(
    io: nas.BlockIO,
    *,
    kernel: int | str = 3,
    act: str | None = None,
    dilation: int = 1,
    groups: int | None = None,
    bias: bool = False,
    padding: int | str = "same",
    padding_mode: PaddingMode = "zeros",
) -> nn.Module:
    """k x k convolution of each channel by itself, norm, activation; `groups` makes the groups larger than a channel.

    Where more channels go out than come in, each channel gives the same number of them.
    """
    return conv(
        io,
        kernel=kernel,
        act=act,
        dilation=dilation,
        groups=io.in_channels if groups is None else groups,
        bias=bias,
        padding=padding,
        padding_mode=padding_mode,
    )


def depthwise_separable(io: nas.BlockIO, *, kernel: int | str = 3, act: str | None = None) -> nn.Module:
    """Depthwise k x k, norm, activation, pointwise, norm, activation (MobileNet, Howard et al. 2017,
    arXiv:1704.04861).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["depthwise"] = conv_norm_act(
        io.in_channels, io.in_channels, kernel, io.norm, act_of(io, act), stride=io.stride, groups=io.in_channels
    )
    layers["pointwise"] = conv_norm_act(io.in_channels, io.out_channels, 1, io.norm, act_of(io, act))
    return nn.Sequential(layers)


def _window_problems(params: Mapping[str, Choice]) -> Iterator[str | None]:
    """Of everything that `conv` and `depthwise` share, but the groups."""
    kernel, dilation = params["kernel"], params["dilation"]
    yield checks.kernel(kernel)
    yield checks.act(params["act"])
    yield checks.whole("dilation", dilation, 1, MAX_KERNEL)
    yield checks.flag("bias", params["bias"])
    yield checks.padding(params["padding"], kernel, dilation)  # type: ignore[arg-type]  # whole
    yield checks.one_of("padding_mode", params["padding_mode"], get_args(PaddingMode))


def check_conv(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this convolution cannot be."""

    def problems() -> Iterator[str | None]:
        yield from _window_problems(params)
        yield checks.groups(params["groups"], io.in_channels, io.out_channels)

    return first(problems())


def check_depthwise(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this depthwise convolution cannot be."""

    def problems() -> Iterator[str | None]:
        yield from _window_problems(params)
        if params["groups"] is not None:
            yield checks.groups(params["groups"], io.in_channels, io.out_channels)
        elif io.out_channels % io.in_channels:
            yield (f"a depthwise convolution gives a multiple of its {io.in_channels} input channels, not "
                   f"{io.out_channels}; take such channels, or the block depthwise_separable")

    return first(problems())


def check_pointwise(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:  # noqa: ARG001  # the contract
    """Why this activation cannot be."""
    return checks.act(params["act"])


def check_separable(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:  # noqa: ARG001  # the contract
    """Why this kernel or activation cannot be."""
    return first((checks.kernel(params["kernel"]), checks.act(params["act"])))


def canonical_conv(io: nas.BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """Drops what has no effect: how to pad where nothing is padded, the dilation of a single tap, a known activation.

    `check` accepts no other padding than the one that is the same as "same".
    """
    idle = {"padding"}
    if kernel_size(params["kernel"]) == (1, 1):
        idle |= {"dilation", "padding_mode"}
    return {name: value for name, value in without_idle_act(io, params).items() if name not in idle}


def canonical_depthwise(io: nas.BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """Drops what has no effect on `conv`, and the groups where each is one channel anyway."""
    kept = canonical_conv(io, params)
    return {name: value for name, value in kept.items() if name != "groups" or value != io.in_channels}


WINDOW: Mapping[str, Sequence[Choice]] = {
    "kernel": (3, 5),
    "act": (None,),
    "dilation": (1,),
    "bias": (False,),
    "padding": ("same",),
    "padding_mode": ("zeros",),
}
"""What `conv` and `depthwise` share; the first choice is the default, several are searched."""


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The plain convolutions."""
    return [
        nas.BlockSpec(
            name="conv",
            version=1,
            build=conv,
            params={**WINDOW, "groups": (1,)},
            check=check_conv,
            canonical=canonical_conv,
        ),
        nas.BlockSpec(
            name="pointwise",
            version=1,
            build=pointwise,
            params={"act": (None,)},
            check=check_pointwise,
            canonical=without_idle_act,
        ),
        nas.BlockSpec(
            name="depthwise",
            version=1,
            build=depthwise,
            params={**WINDOW, "groups": (None,)},
            check=check_depthwise,
            canonical=canonical_depthwise,
        ),
        nas.BlockSpec(
            name="depthwise_separable",
            version=1,
            build=depthwise_separable,
            params={"kernel": (3, 5), "act": (None,)},
            check=check_separable,
            canonical=without_idle_act,
        ),
    ]
