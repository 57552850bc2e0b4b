"""What every test of the built-in blocks needs: the registry, and places to put a block at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

import nas
from nas.arch import Norm
from nas.blocks import BlockRegistry
from nas.layers import activation, batch_norm
from nas.plugins import load_plugins

Place = Callable[..., nas.BlockIO]


@pytest.fixture(scope="session")
def blocks() -> BlockRegistry:
    return load_plugins().blocks


@pytest.fixture(scope="session")
def place() -> Place:
    """`place(in, out, stride, act, drop_path)`: what the network tells a block there."""

    def make(
        in_channels: int = 8, out_channels: int = 8, stride: int = 1, act: str = "silu", drop_path: float = 0.0
    ) -> nas.BlockIO:
        return nas.BlockIO(in_channels, out_channels, stride, batch_norm(Norm()), activation(act), drop_path)

    return make


@pytest.fixture(scope="session")
def make(blocks: BlockRegistry) -> Callable[..., nn.Module]:
    """`make(name, io, **params)`: the block, which its own `check` accepts."""

    def built(name: str, io: nas.BlockIO, **params: nas.blocks.Choice) -> nn.Module:
        complete = blocks[name].complete(params)
        assert blocks[name].check(io, complete) is None
        return blocks[name].build(io, **complete)

    return built
