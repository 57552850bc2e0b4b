"""A network as numbers that its time may depend on: what its blocks are, where they stand, and what they cost.

Nothing here knows a block by name, so that a plugin's blocks are as good as the built-in ones: a block is of a *kind*,
which is its name and how its parameters are set, and stands at a *level*, which says how small its map is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nas.cost.table import BlockKey, CountedBlocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

Network = Sequence[CountedBlocks]
"""A network as `nas.cost.count.count_blocks` gives it: stem first, head last."""

QUANTITIES = ("count", "macs", "activations", "params")
"""What a block's time may grow with: that there is one (its launches), its arithmetic, the maps that it writes, and the
weights that it reads."""

TOTALS = 1 + len(QUANTITIES)
"""The first columns of additive features: a 1 for what every network takes, and each quantity in all."""

_NUMBER = re.compile(r"[0-9.e+-]+")


def kind(key: BlockKey) -> str:
    """The block's name and what its parameters make of it: a number counts as 0, 1 or more, a text as itself.

    0 and 1 are the values at which blocks leave something out: a squeeze of 0, an expansion of 1, a single group.
    """
    return f"{key.block}@{key.version}({','.join(_switches(key.params))})" if key.params else key.block


def _switches(params: str) -> Iterator[str]:
    for pair in params.split(","):
        name, _, value = pair.partition("=")
        number = bool(_NUMBER.fullmatch(value)) and value not in ("0", "1")
        yield f"{name}={'n' if number else value}"


def level(key: BlockKey, area: float) -> int:
    """How often the side of the network's input has been halved where the block begins; `area` is the input's."""
    return round(math.log2(area / (key.height * key.width)) / 2)


def area(network: Network) -> int:
    """Pixels of the network's input."""
    return network[0].key.height * network[0].key.width


def amounts(blocks: CountedBlocks) -> tuple[float, float, float, float]:
    """`QUANTITIES` of equal blocks in a row."""
    times, cost = blocks.times, blocks.cost
    return times, times * cost.macs, times * cost.activations, times * cost.params


class Group(NamedTuple):
    """Columns `start` to `stop` of additive features, whose weights are taken to be alike in size."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Additive:
    """The features that add up over a network's blocks, as columns: each quantity in all, by kind, and by kind and
    level.

    Every quantity is in units of what a network of the training set has of it, so that a weight is the part of the time
    that goes with it. What the training set has not shown has columns too, one a group: nothing is known of their
    weights, which shows in the interval of a network that has such a block.

    Attributes:
        kinds: kind -> its place among the columns of its group.
        places: (kind, level) -> likewise.
        units: of each quantity, the mean total of the training set.
    """

    kinds: Mapping[str, int]
    places: Mapping[tuple[str, int], int]
    units: tuple[float, ...]

    @classmethod
    def of(cls, networks: Sequence[Network]) -> Additive:
        """The columns that a training set needs."""
        kinds: dict[str, int] = {}
        places: dict[tuple[str, int], int] = {}
        for network in networks:
            pixels = area(network)
            for blocks in network:
                name = kind(blocks.key)
                kinds.setdefault(name, len(kinds))
                places.setdefault((name, level(blocks.key, pixels)), len(places))
        sums = [sum(column) for column in zip(*(amounts(one) for network in networks for one in network), strict=True)]
        return cls(kinds, places, tuple(total / len(networks) or 1.0 for total in sums))

    def knows(self, network: Network) -> bool:
        """Whether the training set has shown every kind of block of a network."""
        return all(kind(blocks.key) in self.kinds for blocks in network)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, in the order of the columns: what every network takes, then counts and work by what they are of.
        """
        found, start = [Group("every network", 0, 1)], 1
        for name, width in (("", 1), (" by kind", len(self.kinds) + 1), (" by place", len(self.places) + 1)):
            stop = start + len(QUANTITIES) * width
            found += [Group(f"count{name}", start, start + width), Group(f"work{name}", start + width, stop)]
            start = stop
        return tuple(found)

    def rows(self, networks: Sequence[Network]) -> Matrix:
        """(networks, columns): the sum over each network's blocks, and a 1 for what every network takes."""
        import numpy as np

        found = np.zeros((len(networks), self.groups[-1].stop))
        for row, network in zip(found, networks, strict=True):
            row[0] = 1.0
            pixels = area(network)
            for blocks in network:
                self._add(row, blocks, pixels)
        return found

    def blocks(self, network: Network) -> Matrix:
        """(blocks, columns): one of each entry of a network, which its row is made of."""
        import numpy as np

        found = np.zeros((len(network), self.groups[-1].stop))
        for row, blocks in zip(found, network, strict=True):
            self._add(row, blocks._replace(times=1), area(network))
        return found

    def _add(self, row: Matrix, blocks: CountedBlocks, pixels: int) -> None:
        name = kind(blocks.key)
        at_kind = self.kinds.get(name, len(self.kinds))
        at_place = self.places.get((name, level(blocks.key, pixels)), len(self.places))
        known, starts = amounts(blocks), self._starts()
        for quantity, (amount, unit) in enumerate(zip(known, self.units, strict=True)):
            for start, place in zip(starts[quantity], (0, at_kind, at_place), strict=True):
                row[start + place] += amount / unit

    def _starts(self) -> tuple[tuple[int, int, int], ...]:
        """Of each quantity, where its groups start."""
        kinds, places, quantities = len(self.kinds) + 1, len(self.places) + 1, len(QUANTITIES)
        first, second = 1 + quantities, 1 + quantities * (1 + kinds)
        return tuple((1 + at, first + at * kinds, second + at * places) for at in range(quantities))


def log_side(networks: Sequence[Network]) -> Vector:
    """(networks,): the logarithm of the side of the input, of the square of equal area where it is none."""
    import numpy as np

    return np.array([0.5 * math.log(area(network)) for network in networks], dtype=np.float64)
