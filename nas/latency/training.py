"""What a model of a column may learn from: everything in the database that was measured as that column measures.

That is the study's own measurements and those of other studies, under the same metric, version, source, options and
conditions, of blocks whose source is the same, and in one environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nas.arch import Architecture
from nas.blocks import BlockRegistry
from nas.cost.count import count_blocks
from nas.cost.table import CostTable
from nas.errors import NasError, StoreError
from nas.latency.features import Network
from nas.store.identity import measurement_key
from nas.store.rows import Comparable
from nas.store.store import Store


@dataclass(frozen=True)
class Conditions:
    """How a column measures.

    Attributes:
        metric: its name, its version, and the digest of its source.
        options, conditions: the study's options of the column, and what else its values depend on.
        seed: None where it does not change the value.
    """

    metric: tuple[str, int, str]
    options: Mapping[str, object]
    conditions: Mapping[str, object]
    seed: int | None


class Measured(NamedTuple):
    """A network that was measured, and what came out, in the column's unit."""

    arch_id: str
    arch: Architecture
    network: Network
    value: float


class Training:
    """The measurements that a model of one column may learn from; grows as the database does."""

    def __init__(self, store: Store, conditions: Conditions, blocks: BlockRegistry, table: CostTable) -> None:
        self._store, self._conditions, self._blocks, self._table = store, conditions, blocks, table
        self._newest = -1
        self._known: dict[int, Measured | None] = {}
        self._found: tuple[Measured, ...] = ()

    def read(self) -> tuple[Measured, ...]:
        """All that there is by now, each network once, in the order in which they were measured.

        Where the metric tells of the machine, those of the machine that measured last: what a column's conditions do
        not hold apart is held apart by the environment.

        Raises:
            StoreError: the database cannot be read.
        """
        newest = self._store.newest_measurement()
        if newest != self._newest:
            self._found, self._newest = self._read(), newest
        return self._found

    def _read(self) -> tuple[Measured, ...]:
        how = self._conditions
        rows = self._store.comparable_measurements(*how.metric[:2], {**how.options, **how.conditions})
        for row in rows:
            if row.id not in self._known:
                self._known[row.id] = self._measured(row)
        kept = [(row, one) for row in rows if (one := self._known[row.id]) is not None]
        here = kept[-1][0].environment if kept else None
        first: dict[str, Measured] = {}
        for row, one in kept:
            if row.environment == here:
                first.setdefault(one.arch_id, one)
        return tuple(first.values())

    def _measured(self, row: Comparable) -> Measured | None:
        """None where it was measured by another source, of the metric or of a block, or cannot be used."""
        how = self._conditions
        try:
            arch = Architecture.parse(row.arch)
            digests = {stage.block: self._blocks.origin(stage.block).digest for stage in arch.stages}
            key = measurement_key(row.arch_id, digests, how.metric, how.options, how.conditions, how.seed)
            if key != row.key or not 0 < row.value < float("inf"):
                return None
            return Measured(row.arch_id, arch, count_blocks(arch, self._blocks, self._table), row.value)
        except StoreError:  # the database's fault, where the table lies in one
            raise
        except NasError:  # of a block that is not here, or that does not build as it did
            return None
