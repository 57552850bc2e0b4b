"""`transposed_conv`: upsampling that is learnt (Zeiler et al. 2010, "Deconvolutional networks").

Its arithmetic is that of Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import nn

import nas
from nas.arch import kernel_size
from nas.choices import Choice
from nas_blocks import checks
from nas_blocks.layers import act_of, without_idle_act


def transposed_conv(
    io: nas.BlockIO, *, kernel: int | str = 3, act: str | None = None, groups: int = 1, bias: bool = False
) -> nn.Module:
    """Transposed k x k convolution, norm, activation: (H, W) becomes exactly (H x stride, W x stride).

    It is a convolution of the input with stride - 1 zeros between its values: padding (k - 1) / 2, and stride - 1 rows
    and columns more at the end.
    """
    height, width = kernel_size(kernel)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.ConvTranspose2d(
        io.in_channels,
        io.out_channels,
        (height, width),
        io.stride,
        (height // 2, width // 2),
        output_padding=io.stride - 1,
        groups=groups,
        bias=bias,
    )
    layers["norm"] = io.norm(io.out_channels)
    layers["act"] = act_of(io, act)()
    return nn.Sequential(layers)


def check(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why this transposed convolution cannot be."""

    def problems() -> Iterator[str | None]:
        yield checks.kernel(params["kernel"])
        yield checks.act(params["act"])
        yield checks.flag("bias", params["bias"])
        yield checks.groups(params["groups"], io.in_channels, io.out_channels)

    return checks.first(problems())


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The transposed convolution."""
    return [
        nas.BlockSpec(
            "transposed_conv",
            version=1,
            build=transposed_conv,
            params={"kernel": (3, 5), "act": (None,), "groups": (1,), "bias": (False,)},
            check=check,
            canonical=without_idle_act,
            scale="up",
        )
    ]
