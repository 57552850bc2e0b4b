"""Eager PyTorch: the network as it is, one kernel after the other; on another machine by the torch that is there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import nas
from nas_runtimes.torch_source import torch_source

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> Callable[[], object]:
    """Nothing to compile: a call is `network(x)`. On CUDA it queues the kernels and returns before they have run."""
    return functools.partial(network, x)


def libraries(options: nas.RuntimeOptions) -> dict[str, str]:
    """Nothing but torch; for another machine, which tells of its own, the one that writes the source."""
    import torch

    return {"torch.export": str(torch.__version__)} if options.device.startswith("ssh:") else {}


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`eager`."""
    return [
        nas.RuntimeSpec(
            "eager", version=2, prepare=prepare, devices=frozenset({"cpu", "cuda", "ssh"}), libraries=libraries,
            sent=torch_source,
        )
    ]
