"""Device time: the whole network in one CUDA graph, whose replay launches every kernel at once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import nas
from nas_runtimes.graphs import device_call

if TYPE_CHECKING:
    from torch import Tensor, nn


def prepare(network: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> nas.DeviceCall:
    """The network on its static input `x`, captured; launched kernel by kernel as well, to say whether it waits.

    Raises:
        MeasureError: the network cannot be captured, see `nas_runtimes.graphs.captured`.
    """
    import torch

    run = functools.partial(network, x)
    with torch.cuda.device(x.device), torch.inference_mode():
        return device_call(run, options, launched=run)


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`cuda_graph`."""
    return [nas.RuntimeSpec("cuda_graph", version=1, prepare=prepare, devices=frozenset({"cuda"}))]
