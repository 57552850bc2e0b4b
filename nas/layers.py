"""What a network shares among its blocks: activations by name, and its batch normalisation. Loads torch when called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.choices import shown
from nas.errors import SpecError, nearest

if TYPE_CHECKING:
    from torch import nn

    from nas.arch import Norm

ACTIVATIONS: Mapping[str, str] = {
    "silu": "SiLU",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "hardswish": "Hardswish",
    "gelu": "GELU",
    "mish": "Mish",
    "leaky_relu": "LeakyReLU",
    "identity": "Identity",
}
"""Name -> class of `torch.nn`, made with its defaults and never in place: a block may still need its input."""


@dataclass(frozen=True)
class Activation:
    """The factory of an activation, as a value: a block can see that the network's is the one it was asked for."""

    name: str

    def __call__(self) -> nn.Module:
        """A fresh module."""
        from torch import nn

        module: nn.Module = getattr(nn, ACTIVATIONS[self.name])()
        return module


@dataclass(frozen=True)
class BatchNorm:
    """The factory of `torch.nn.BatchNorm2d(channels)` with one eps and momentum, as a value."""

    norm: Norm

    def __call__(self, channels: int) -> nn.Module:
        """A fresh module over `channels`."""
        from torch import nn

        return nn.BatchNorm2d(channels, eps=self.norm.eps, momentum=self.norm.momentum)


def activation(name: object) -> Activation:
    """The factory of the activation of this name.

    Raises:
        SpecError: there is none; the nearest name is told.
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise SpecError(f"unknown activation {shown(name)}{nearest(str(name), ACTIVATIONS)}; there are {known}")
    return Activation(name)


def batch_norm(norm: Norm) -> BatchNorm:
    """The factory of `BatchNorm2d(channels)` with this eps and momentum."""
    return BatchNorm(norm)
