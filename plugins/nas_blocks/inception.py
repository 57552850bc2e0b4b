"""`inception`: several receptive fields side by side (Szegedy et al. 2015, arXiv:1409.4842, figure 2a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

import nas
from nas.arch import kernel_size
from nas.choices import Choice, shown
from nas.errors import SpecError
from nas_blocks import checks
from nas_blocks.layers import act_of, conv_norm_act, without_idle_act

MAX_BRANCHES = 16


class Inception(nn.Module):
    """Convolutions of different kernels over one input; their outputs, one behind the other, go through a 1x1."""

    def __init__(self, branches: list[nn.Module], fuse: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.fuse = fuse

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) becomes (batch, out_channels, H / stride, W / stride), rounded up."""
        fused: Tensor = self.fuse(torch.cat([branch(x) for branch in self.branches], dim=1))
        return fused


def inception(io: nas.BlockIO, *, branches: str = "1,3,5", act: str | None = None) -> nn.Module:
    """One convolution, norm and activation for each kernel of `branches`, then 1x1, norm, activation.

    The branches share the output channels among them as evenly as they can, the first ones the larger shares.
    """
    kernels, activation = kernels_of(branches), act_of(io, act)
    paths: list[nn.Module] = [
        conv_norm_act(io.in_channels, width, kernel, io.norm, activation, stride=io.stride)
        for kernel, width in zip(kernels, shares(io.out_channels, len(kernels)), strict=True)
    ]
    return Inception(paths, conv_norm_act(io.out_channels, io.out_channels, 1, io.norm, activation))


def kernels_of(branches: str) -> list[int | str]:
    """The kernels that a text such as "1,3,5" or "3,1x7,7x1" lists.

    Raises:
        SpecError: one of them is no kernel.
    """
    kernels: list[int | str] = []
    for word in branches.split(","):
        text = word.strip()
        kernel: int | str = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text
        height, width = kernel_size(kernel)
        kernels.append(height if height == width else f"{height}x{width}")
    return kernels


def shares(channels: int, branches: int) -> list[int]:
    """How many of the channels each branch gives."""
    least, more = divmod(channels, branches)
    return [least + (index < more) for index in range(branches)]


def check(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why these branches cannot be."""

    def problems() -> Iterator[str | None]:
        yield _branch_problem(io, params["branches"])
        yield checks.act(params["act"])

    return checks.first(problems())


def _branch_problem(io: nas.BlockIO, branches: Choice) -> str | None:
    if not isinstance(branches, str):
        return f'branches must be a text such as "1,3,5", got {shown(branches)}'
    try:
        kernels = kernels_of(branches)
    except SpecError as error:
        return f"branches {shown(branches)}: {error}"
    if len(kernels) > min(MAX_BRANCHES, io.out_channels):
        return (f"branches {shown(branches)} are {len(kernels)}, more than {io.out_channels} output channels or the "
                f"limit of {MAX_BRANCHES} allow; take fewer")
    return None


def canonical(io: nas.BlockIO, params: Mapping[str, Choice]) -> Mapping[str, Choice]:
    """Drops a known activation, and writes the branches in one way: no spaces, "3" for "3x3"."""
    kept = without_idle_act(io, params)
    return {**kept, "branches": ",".join(map(str, kernels_of(str(params["branches"]))))}


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The inception block."""
    params: Mapping[str, Sequence[Choice]] = {"branches": ("1,3,5", "1,3", "3,5"), "act": (None,)}
    return [nas.BlockSpec("inception", version=1, build=inception, params=params, check=check, canonical=canonical)]
