"""`attention`: every place of the map looks at every other (Vaswani et al. 2017, arXiv:1706.03762; on feature maps,
Srinivas et al. 2021, BoTNet, arXiv:2101.11605).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

import nas
from nas.arch import MAX_SIZE
from nas.choices import Choice
from nas_blocks import checks
from nas_blocks.layers import drop_path


class SelfAttention(nn.Module):
    """Norm, then queries, keys and values by 1x1 convolutions, softmax(q k^T / sqrt(d)) v for each head, and a 1x1
    convolution out; the input is added where shapes allow it.

    At stride 2 the queries are of every second place, keys and values of all. The matrix products are written out, so
    that every counter of operations sees them.
    """

    def __init__(self, io: nas.BlockIO, heads: int) -> None:
        super().__init__()
        channels = io.out_channels
        self.heads = heads
        self.residual = io.stride == 1 and io.in_channels == channels
        self.drop_path_rate = io.drop_path if self.residual else 0.0
        self.norm = io.norm(io.in_channels)
        self.query = nn.Conv2d(io.in_channels, channels, 1, io.stride)
        self.key = nn.Conv2d(io.in_channels, channels, 1)
        self.value = nn.Conv2d(io.in_channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) becomes (batch, out_channels, H / stride, W / stride), rounded up."""
        normed = self.norm(x)
        query, key, value = self.query(normed), self.key(normed), self.value(normed)
        batch, channels, height, width = query.shape
        depth = channels // self.heads
        # (batch, heads, depth, places)
        q, k, v = (part.reshape(batch, self.heads, depth, -1) for part in (query, key, value))
        weights = ((q.transpose(2, 3) / math.sqrt(depth)) @ k).softmax(dim=3)
        seen = (v @ weights.transpose(2, 3)).reshape(batch, channels, height, width)
        y: Tensor = self.out(seen)
        return x + drop_path(y, self.drop_path_rate, self.training) if self.residual else y

    def extra_repr(self) -> str:
        """What the list of layers does not say."""
        return f"heads={self.heads}, residual={self.residual}, drop_path_rate={self.drop_path_rate:g}"


def attention(io: nas.BlockIO, *, heads: int = 4) -> nn.Module:
    """Multi-head self-attention over the places of the map."""
    return SelfAttention(io, heads)


def check(io: nas.BlockIO, params: Mapping[str, Choice]) -> str | None:
    """Why there cannot be this many heads."""

    def problems() -> Iterator[str | None]:
        heads = params["heads"]
        yield checks.whole("heads", heads, 1, MAX_SIZE)
        if io.out_channels % heads:  # type: ignore[operator]  # whole
            yield f"heads {heads} does not divide the {io.out_channels} output channels; take a divisor"

    return checks.first(problems())


@nas.hookimpl
def nas_blocks() -> list[nas.BlockSpec]:
    """The self-attention block."""
    return [nas.BlockSpec("attention", version=1, build=attention, params={"heads": (4, 1, 2, 8)}, check=check)]
