"""The cost table of a search: what was counted in any process or study of the database is not counted again."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import nas.cost
from nas.cost.table import BlockCost, BlockKey, CostTable, Size
from nas.errors import StoreError
from nas.store import Store

OF_NETWORKS = ("chain.py", "layers.py", "meta.py", "network.py")
"""Files of `nas` that say what stems, heads, norms and activations are."""
LIBRARIES = ("torch", "torchvision", "timm", "fvcore")
"""What blocks are built from, and what counts those that must be traced. Another library behind a stranger's block is
that block's own affair: it raises its version."""


class StoredCosts(CostTable):
    """A table in the memory of this process, behind which stands that of the database.

    What is new is written by `flush`, many blocks at a time. An entry counts for the code and the libraries that
    counted it, and for the source of the plugin that its block is of.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self._stored: dict[str, list[Any]] = {}
        self._last = 0
        self._new: dict[str, Sequence[object]] = {}

    def get(self, key: BlockKey) -> BlockCost | None:
        """As `CostTable.get`; a cost that is not known yet is looked for in the database.

        Raises:
            StoreError: the database cannot be read, or is damaged.
        """
        if (known := super().get(key)) is not None:
            return known
        text = _text(key)
        if text not in self._stored:
            more, self._last = self.store.costs(self._last)  # what other processes have counted since
            self._stored |= more
        if (stored := self._stored.get(text)) is None:
            return None
        cost = _read(stored)
        super().put(key, cost)
        return cost

    def put(self, key: BlockKey, cost: BlockCost) -> None:
        """As `CostTable.put`."""
        super().put(key, cost)
        self._new[_text(key)] = _row(cost)

    def flush(self) -> None:
        """Writes what was counted since the last time.

        Raises:
            StoreError: the database refuses.
        """
        if self._new:
            self.store.keep_costs(self._new)
            self._new.clear()


def _text(key: BlockKey) -> str:
    return f"{_counters()}: {key}"


@cache
def _counters() -> str:
    """12 hex digits over all that a count depends on besides its block: the code that builds and counts, and the
    libraries that blocks are built from.
    """
    home = Path(nas.cost.__file__).parents[1]
    sources = [*sorted((home / "cost").rglob("*.py")), *(home / name for name in OF_NETWORKS)]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.relative_to(home).as_posix().encode() + b"\0" + source.read_bytes())
    for library in LIBRARIES:
        try:
            version = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        digest.update(f"\0{library} {version}".encode())
    return digest.hexdigest()[:12]


def _row(cost: BlockCost) -> list[object]:
    sizes = [str(size) for size in (*cost.field, *cost.jump)]
    return [cost.params, cost.macs, cost.fvcore_macs, cost.torch_macs, cost.flops, cost.activations, *sizes,
            list(cost.unsupported), list(cost.global_ops)]


def _read(row: Sequence[Any]) -> BlockCost:
    try:
        *counts, top, left, down, right, unsupported, seen = row
        params, macs, fvcore_macs, torch_macs, flops, activations = map(int, counts)
        field, jump = (_size(top), _size(left)), (_size(down), _size(right))
        named = tuple(unsupported), tuple(seen)
    except (TypeError, ValueError, ZeroDivisionError):
        raise StoreError(f"the database is damaged: {row!r:.60} should be the cost of a block") from None
    return BlockCost(params, macs, fvcore_macs, torch_macs, flops, activations, field, jump, *named)


def _size(text: str) -> Size:
    """A whole number stays one: the costs of networks are held equal, types included."""
    size = Fraction(text)
    return int(size) if size.denominator == 1 else size
