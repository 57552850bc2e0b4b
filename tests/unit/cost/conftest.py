"""What every test of costs needs: one thread, the installed blocks, and blocks made of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from nas.blocks import BlockRegistry
from nas.plugins import load_plugins


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def blocks() -> BlockRegistry:
    return load_plugins().blocks


class Calls(nn.Module):
    """A module whose forward is `function(module, x)`, with the parts that it is given."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor], **parts: object) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


@pytest.fixture(scope="session")
def calls() -> type[Calls]:
    return Calls
