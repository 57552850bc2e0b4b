"""Eager PyTorch: the network as it is, one kernel after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import nas

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> Callable[[], object]:
    """Nothing to compile: a call is `network(x)`. On CUDA it queues the kernels and returns before they have run."""
    return functools.partial(network, x)


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`eager`."""
    return [nas.RuntimeSpec(name="eager", version=1, prepare=prepare)]
