"""Networks by the thousand, a row each: what was chosen, what they cost, and what a model sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.costaware.features import Vector

Codes = NDArray[np.int32]
"""(choices, dimensions): of each dimension the place of its choice."""
COSTS = ("params", "macs", "flops", "activations")


@dataclass(frozen=True)
class Networks:
    """Networks, a row each; only those that can be.

    Attributes:
        codes: (n, dimensions), a choice that is this network.
        parts: (n, parts); two rows are equal where the networks are.
        costs: (n, 4) of float64, in the order of `COSTS`.
        features: (n, features), what can be chosen, from 0 to 1.
    """

    codes: Codes
    parts: NDArray[np.int32]
    costs: Vector
    features: Vector

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Networks:
        """Those at these places, or where a mask is set."""
        return Networks(self.codes[rows], self.parts[rows], self.costs[rows], self.features[rows])

    def together(self, other: Networks) -> Networks:
        """Both, one after the other."""
        return Networks(
            np.concatenate([self.codes, other.codes]), np.concatenate([self.parts, other.parts]),
            np.concatenate([self.costs, other.costs]), np.concatenate([self.features, other.features]),
        )

    def keys(self) -> list[bytes]:
        """A key for each row: equal where the networks are."""
        rows = np.ascontiguousarray(self.parts)
        found: list[bytes] = rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}").ravel().tolist()
        return found

    def distinct(self, without: set[bytes] | frozenset[bytes] = frozenset()) -> Networks:
        """The first of those that are equal, and none whose key is among `without`."""
        seen = set(without)
        rows = [row for row, key in enumerate(self.keys()) if not (key in seen or seen.add(key))]  # type: ignore[func-returns-value]
        return self.take(np.array(rows, dtype=np.intp))
