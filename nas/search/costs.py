"""The cost table of a search: what was counted in any process or study of the database is not counted again."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch

from nas.cost.table import COUNTER, BlockCost, BlockKey, CostTable, Size
from nas.errors import StoreError
from nas.store import Store
from nas.version import VERSION


class StoredCosts(CostTable):
    """A table in the memory of this process, behind which stands that of the database.

    What is new is written by `flush`, many blocks at a time. An entry counts for the `nas` and the torch that counted
    it, and for the source of the plugin that its block is of.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
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
            more, self._last = self._store.costs(self._last)  # what other processes have counted since
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
            self._store.keep_costs(self._new)
            self._new.clear()


def _text(key: BlockKey) -> str:
    return f"{VERSION}.{COUNTER}, torch {torch.__version__}: {key}"


def _row(cost: BlockCost) -> list[object]:
    sizes = [str(size) for size in (*cost.field, *cost.jump)]
    return [cost.params, cost.macs, cost.fvcore_macs, cost.torch_macs, cost.flops, cost.activations, *sizes,
            list(cost.unsupported), list(cost.global_ops)]


def _read(row: Sequence[Any]) -> BlockCost:
    try:
        *counts, top, left, down, right, unsupported, seen = row
        params, macs, fvcore_macs, torch_macs, flops, activations = map(int, counts)
        field, jump = (_size(top), _size(left)), (_size(down), _size(right))
    except (TypeError, ValueError, ZeroDivisionError):
        raise StoreError(f"the database is damaged: {row!r:.60} should be the cost of a block") from None
    return BlockCost(params, macs, fvcore_macs, torch_macs, flops, activations, field, jump, tuple(unsupported),
                     tuple(seen))


def _size(text: str) -> Size:
    """A whole number stays one: the costs of networks are held equal, types included."""
    size = Fraction(text)
    return int(size) if size.denominator == 1 else size
