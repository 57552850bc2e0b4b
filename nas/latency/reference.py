"""The reference: one small fixed convolutional network, timed alternately with every candidate.

Machines drift: clocks, heat, neighbours. What slows the reference as much as the candidate leaves their ratio alone,
so that the ratio shows what the milliseconds hide. It holds dense, depthwise and pointwise convolutions, and is small,
so that it costs little and disturbs the caches little. Changing it changes every ratio: raise `VERSION` then.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.meta import WithoutInitialisation

VERSION = 1
INPUT_SHAPE = (1, 3, 64, 64)
"""(batch, channels, height, width), whatever the candidate's is."""


def reference_network() -> tuple[nn.Module, Tensor]:
    """The network, in eval mode, and its input: float32, on the CPU, the same values every time."""
    random = torch.Generator().manual_seed(VERSION)
    with torch.device("cpu"), WithoutInitialisation():  # nothing is drawn from the caller's random state
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1, groups=32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 10),
        )
    with torch.no_grad():
        for values in network.parameters():
            fan_in = values[0].numel()
            values.copy_(torch.randn(values.shape, generator=random, device="cpu") * (2 / fan_in) ** 0.5)
    return network.eval(), torch.randn(INPUT_SHAPE, generator=random, device="cpu")
