"""What the built-in blocks are made of: convolution with norm and activation, and drop path."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from torch import Tensor, nn

import nas
from nas.arch import kernel_size
from nas.choices import Choice
from nas.layers import Activation, activation
from nas_blocks.checks import PaddingMode, same_padding


def act_of(io: nas.BlockIO, act: str | None) -> Callable[[], nn.Module]:
    """The block's own activation where it names one, else the network's."""
    return io.act if act is None else activation(act)


def without_idle_act(io: nas.BlockIO, params: Mapping[str, Choice]) -> dict[str, Choice]:
    """`params`, less an `act` that is the network's own."""
    idle = isinstance(io.act, Activation) and params["act"] == io.act.name
    return {name: value for name, value in params.items() if not (idle and name == "act")}


def without_idle_dilation(params: Mapping[str, Choice]) -> dict[str, Choice]:
    """`params`, less the dilation of a kernel of a single tap."""
    idle = kernel_size(params["kernel"]) == (1, 1)
    return {name: value for name, value in params.items() if not (idle and name == "dilation")}


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel: int | str,
    norm: Callable[[int], nn.Module],
    act: Callable[[], nn.Module] | None,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
    padding: int | str = "same",
    padding_mode: PaddingMode = "zeros",
) -> nn.Sequential:
    """Convolution `conv`, normalisation `norm`, and where it is not None activation `act`.

    (batch, in_channels, H, W) becomes (batch, out_channels, H / stride, W / stride), rounded up, with padding "same".
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size(kernel),
        stride,
        same_padding(kernel, dilation) if isinstance(padding, str) else padding,
        dilation,
        groups,
        bias,
        padding_mode,
    )
    layers["norm"] = norm(out_channels)
    if act is not None:
        layers["act"] = act()
    return nn.Sequential(layers)


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): in training each row of the batch is zeroed with
    probability `rate`, and the others are divided by 1 - rate; in evaluation `x` is returned as it is.
    """
    if not training or rate == 0:
        return x
    kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - rate)
    return x * kept.div_(1 - rate)
