"""What one block costs, the key that this depends on, and the table between the two. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

Size = int | Fraction
"""A number of input pixels; a fraction behind an upsampling block."""


class BlockKey(NamedTuple):
    """Everything that a block's cost depends on. Drop path, which does nothing in eval mode, is not among it."""

    block: str  # "(stem)" and "(head)" are those of the network: no block has such a name
    version: int
    digest: str  # of the source that the block came from
    params: str  # canonical text
    in_channels: int
    out_channels: int
    stride: int
    norm: str
    act: str
    height: int
    width: int

    def __str__(self) -> str:
        return (f"{self.block}@{self.version}#{self.digest}({self.params}) "
                f"{self.in_channels}x{self.height}x{self.width} to {self.out_channels}, stride={self.stride}, "
                f"norm={self.norm}, act={self.act}")


@dataclass(frozen=True)
class BlockCost:
    """The cost of one block for one image. Costs add up over blocks, and so do receptive fields.

    Attributes:
        params: parameters, shared ones once.
        macs: multiply-accumulates of convolutions, linear layers and matrix products: the larger of the two counts
            below, since a counter may miss an operation and does not invent one.
        fvcore_macs: fvcore's count of these operators.
        torch_macs: torch's FlopCounterMode / 2, fused attention taken apart into its matrix products.
        flops: fvcore's FlopCountAnalysis total in eval mode.
        activations: fvcore's ActivationCountAnalysis total.
        field: (height, width) of what one output pixel sees through local operations, in the block's input pixels.
        jump: (vertical, horizontal) distance of neighbouring output pixels, in the block's input pixels.
        unsupported: operations that compute and that no counter knows.
        global_ops: operations that see the whole map.
    """

    params: int
    macs: int
    fvcore_macs: int
    torch_macs: int
    flops: int
    activations: int
    field: tuple[Size, Size] = (1, 1)
    jump: tuple[Size, Size] = (1, 1)
    unsupported: tuple[str, ...] = ()
    global_ops: tuple[str, ...] = ()


class CountedBlocks(NamedTuple):
    """`times` equal blocks in a row of a network, and what one of them costs."""

    key: BlockKey
    times: int
    cost: BlockCost


class CostTable:
    """Costs by key, in this process. One that also reads and writes elsewhere overrides `get` and `put`."""

    def __init__(self) -> None:
        self._costs: dict[BlockKey, BlockCost] = {}

    def get(self, key: BlockKey) -> BlockCost | None:
        """What was put in for this key, or None."""
        return self._costs.get(key)

    def put(self, key: BlockKey, cost: BlockCost) -> None:
        """Keeps a cost; the same key always has the same one, so that it does not matter who comes last."""
        self._costs[key] = cost

    def __len__(self) -> int:
        return len(self._costs)
